"""What an answer was: rows, a checksum over all their values in any order, and whether the order
that was asked for holds. Of an answer only one batch at a time is held."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NULL = -0x6E756C6C
TEXT_BYTES = 24
FACTORS = [np.uint64(0x9E3779B97F4A7C15 * (2 * at + 1) & (1 << 64) - 1) for at in range(64)]


def words(column: Any) -> list[np.ndarray[Any, Any]]:
    """The values as columns of 64 bits: one, and three of texts, which have 24 bytes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return words(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        binary = column.cast(pa.string()).cast(pa.binary()).cast(pa.binary(TEXT_BYTES))
        values = np.frombuffer(binary.buffers()[1], np.uint64).reshape(-1, TEXT_BYTES // 8)
        return list(values[binary.offset : binary.offset + len(binary)].T)
    if pa.types.is_floating(kind):
        return [column.cast(pa.float64()).fill_null(NULL).to_numpy(False).view(np.uint64)]
    return [column.cast(pa.int64()).fill_null(NULL).to_numpy(False).view(np.uint64)]


def checksum(batch: pa.RecordBatch) -> int:
    """The same for the same rows in another order."""
    total = np.zeros(batch.num_rows, np.uint64)
    for factor, values in zip(FACTORS, [part for column in batch for part in words(column)]):
        total += (values ^ (values >> np.uint64(32))) * factor
    total ^= total >> np.uint64(29)
    total *= np.uint64(0xBF58476D1CE4E5B9)
    return int((total ^ (total >> np.uint64(32))).sum())


@dataclasses.dataclass
class Answer:
    """`sorted_by`: the column whose values must not fall."""

    sorted_by: str = ""
    rows: int = 0
    sum: int = 0
    disorder: int = 0
    last: Any = None

    def add(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows == 0:
            return
        self.sum = (self.sum + checksum(batch)) % (1 << 64)
        self.rows += batch.num_rows
        if self.sorted_by:
            column = batch.column(self.sorted_by)
            falls = pc.sum(pc.less(column.slice(1), column.slice(0, len(column) - 1))).as_py() or 0
            first = column[0].as_py()
            self.disorder += falls + (self.last is not None and first < self.last)
            self.last = column[len(column) - 1].as_py()

    def facts(self) -> list[int]:
        return [self.rows, self.sum, self.disorder]
