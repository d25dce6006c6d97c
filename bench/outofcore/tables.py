"""The tables: made once from fixed seeds, chunk by chunk, and kept as Parquet.

Every value is a function of the number of its row, so no chunk needs another. The file of the
large table has some 50 bytes a row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_ROWS = 1 << 18
FILE_BYTES_PER_ROW = {"facts": 64, "others": 16}  # at most; to see that the disk has room
HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)
AMOUNTS = 10_000

Numbers = np.ndarray[Any, Any]
Say = Callable[[str], None]


def mixed(numbers: Numbers, seed: int) -> Numbers:
    """64 bits that look random, of each number: splitmix64."""
    x = numbers.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % (1 << 64))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def below(numbers: Numbers, seed: int, size: int) -> Numbers:
    return (mixed(numbers, seed) % np.uint64(size)).astype(np.int64)


def permuted(numbers: Numbers, size: int, seed: int) -> Numbers:
    """A permutation of 0 to `size` - 1, at these places: one of the next power of two, applied
    again to what it takes out of the range."""
    bits = max((size - 1).bit_length(), 2)
    mask, shift = np.uint64((1 << bits) - 1), np.uint64(bits // 2 + 1)

    def step(x: Numbers) -> Numbers:
        for turn in range(3):
            x = (x * np.uint64(0xD1342543DE82EF95) + np.uint64(seed * 7919 + turn)) & mask
            x ^= x >> shift
        return x

    values = step(numbers.astype(np.uint64))
    while len(out := np.flatnonzero(values >= size)):
        values[out] = step(values[out])
    return values.astype(np.int64)


def texts(numbers: Numbers, seed: int) -> pa.Array:
    """24 hexadecimal digits for each number, the same for the same number."""
    count = len(numbers)
    words = np.stack([mixed(numbers, seed), mixed(numbers, seed + 1)], axis=1)
    digits = HEX[words.view(np.uint8).reshape(count, 16)[:, :12]]
    ends = pa.py_buffer(np.arange(0, 24 * count + 1, 24, dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), count, [None, ends, pa.py_buffer(digits.tobytes())])


def facts(rows: int, at: Numbers) -> pa.Table:
    """id: every number below `rows` once; many: of rows / 100 groups; draw: 63 % different."""
    draw = below(at, 3, rows)
    return pa.table(
        {
            "id": permuted(at, rows, 1),
            "many": below(at, 2, max(rows // 100, 1)),
            "draw": draw,
            "amount": below(at, 4, AMOUNTS),
            "price": below(at, 5, 10_000_000) / 100.0,
            "text": texts(draw, 6),
        }
    )


def others(rows: int, at: Numbers) -> pa.Table:
    """Nine of ten ids are among those of `facts`."""
    return pa.table({"id": permuted(at, rows, 9) + rows // 10, "weight": below(at, 10, 1000)})


TABLES: dict[str, Callable[[int, Numbers], pa.Table]] = {"facts": facts, "others": others}


def chunks(name: str, rows: int) -> Iterator[pa.Table]:
    for start in range(0, rows, CHUNK_ROWS):
        yield TABLES[name](rows, np.arange(start, min(start + CHUNK_ROWS, rows)))


def write(name: str, rows: int, path: Path, say: Say) -> None:
    done, said = 0, 0
    # Dictionaries only where they are small: other columns would begin one and give it up.
    with pq.ParquetWriter(
        path, next(chunks(name, 1)).schema, compression="snappy", use_dictionary=["amount"]
    ) as writer:
        for chunk in chunks(name, rows):
            writer.write_table(chunk, row_group_size=CHUNK_ROWS)
            done += chunk.num_rows
            if done * 10 // rows > said or done == rows:
                said = done * 10 // rows
                say(f"making {path.parent / name}: {done:,} of {rows:,} rows")


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def sweep(folder: Path) -> None:
    """Removes what runs that were killed have left: names hold the process that made them."""
    for path in [*folder.glob("*.part"), *folder.glob("outofcore-temp-*")]:
        pid = path.stem.rsplit("-", 1)[-1]
        if not pid.isdigit() or is_alive(int(pid)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def require_room(folder: Path, bytes_needed: int, purpose: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < bytes_needed:
        raise OSError(
            f"expected {bytes_needed / 1e9:.1f} GB free in {folder} for {purpose}, got"
            f" {free / 1e9:.1f} GB; HEADRACE_BENCH_DATA names another folder, --rows makes it less"
        )


def file(name: str, rows: int, folder: Path, say: Say) -> Path:
    """The table as a file; made at the first call."""
    path = folder / f"outofcore-{name}-{rows}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    require_room(folder, rows * FILE_BYTES_PER_ROW[name], f"the table {name}")
    part = folder / f"outofcore-{name}-{rows}-{os.getpid()}.part"
    try:
        write(name, rows, part, say)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return path
