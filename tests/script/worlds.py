"""The worlds in which every script runs: settings of the session, and encodings of its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pyarrow as pa

CHUNK_ROWS = 3
# Scripts with more rows than this get batches of several rows where a world says one: batches of a
# row cost them minutes under the sanitizers, and small scripts have met their edges already.
SCRIPT_ROWS_MANY = 10_000
BATCH_ROWS_OF_MANY = 16
Encode = Callable[[pa.Table], pa.Table]


@dataclasses.dataclass(frozen=True)
class World:
    """A name for messages, settings, and how tables are given to the session."""

    name: str
    settings: dict[str, Any]
    encode: Encode | None = None

    def settings_for(self, rows: int) -> dict[str, Any]:
        """The settings for a script whose tables have `rows` rows together."""
        batch_rows = self.settings.get("batch_rows", BATCH_ROWS_OF_MANY)
        if rows <= SCRIPT_ROWS_MANY or batch_rows >= BATCH_ROWS_OF_MANY:
            return self.settings
        return {**self.settings, "batch_rows": BATCH_ROWS_OF_MANY}


def world(encode: Encode | None = None, **settings: Any) -> World:
    """Named after what is special about it."""
    words = [f"{name}={value}" for name, value in settings.items()]
    if encode:
        words.append(f"input={encode.__name__}")
    return World(" ".join(words), settings, encode)


def convert(table: pa.Table, encode: Callable[[pa.Array], pa.Array]) -> pa.Table:
    """Every column in chunks of a few rows, each chunk encoded on its own."""
    batches = []
    for batch in table.combine_chunks().to_batches(max_chunksize=CHUNK_ROWS):
        columns = [encode(column) for column in batch.columns]
        batches.append(pa.RecordBatch.from_arrays(columns, table.schema.names))
    return pa.Table.from_batches(batches) if batches else table


def dictionary(table: pa.Table) -> pa.Table:
    """Strings as dictionaries that differ from chunk to chunk and hold values nobody uses."""

    def encode(array: pa.Array) -> pa.Array:
        if not pa.types.is_string(array.type):
            return array
        values = sorted({v for v in array.to_pylist() if v is not None}, reverse=True)
        words = ["unused", *values]
        codes = [None if v is None else words.index(v) for v in array.to_pylist()]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words))

    return convert(table, encode)


def large(table: pa.Table) -> pa.Table:
    """Strings, binaries and lists in their large layouts."""

    def encode(array: pa.Array) -> pa.Array:
        if pa.types.is_string(array.type):
            return array.cast(pa.large_string())
        if pa.types.is_binary(array.type):
            return array.cast(pa.large_binary())
        if pa.types.is_list(array.type):
            return array.cast(pa.large_list(array.type.value_type))
        return array

    return convert(table, encode)


def sliced(table: pa.Table) -> pa.Table:
    """Chunks that are slices at odd offsets of longer arrays."""

    def encode(array: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(array.type):
            return array
        padding = pa.concat_arrays([array.slice(0, 1), pa.nulls(2, array.type)])
        return pa.concat_arrays([padding, array, padding]).slice(len(padding), len(array))

    return convert(table, encode)


DEFAULT_WORLDS = [
    world(threads=1, batch_rows=1024),
    world(threads=4, batch_rows=1),
    world(threads=2, memory_limit="4MiB"),
]
MORE_WORLDS = [
    world(threads=2, batch_rows=3),
    world(threads=4, batch_rows=65536),
    world(threads=2, optimizer=False),
    world(threads=2, deterministic=True, seed=1, batch_rows=2),
    world(threads=3, deterministic=True, seed=2, batch_rows=5),
    world(threads=4, deterministic=True, seed=3, memory_limit="4MiB"),
    world(dictionary, threads=2),
    world(large, threads=2),
    world(sliced, threads=2, batch_rows=2),
]
ALL_WORLDS = DEFAULT_WORLDS + MORE_WORLDS
