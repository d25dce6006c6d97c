"""How a Python function of cells is called: the engine gives columns, at most 1,024 rows a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import pyarrow as pa

from headrace.errors import CallbackError


class RowFunction:
    """Calls `function` once per row, in row order, and gathers an array of the promised type.

    What `function` raises passes through untouched.
    """

    def __init__(self, function: Callable[..., Any], result_type: pa.DataType) -> None:
        self.function = function
        self.result_type = result_type

    def __call__(self, columns: list[Any], num_rows: int) -> pa.Array:
        cells = [pa.array(column).to_pylist() for column in columns]
        rows: Iterable[tuple[Any, ...]] = zip(*cells) if cells else repeat((), num_rows)
        function = self.function
        return self._to_array([function(*row) for row in rows])

    def _to_array(self, values: list[Any]) -> pa.Array:
        try:
            return pa.array(values, type=self.result_type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            name = getattr(self.function, "__name__", repr(self.function))
            value = next((v for v in values if not self._fits(v)), None)
            raise CallbackError(
                f"expected {name} to give {self.result_type}, got {value!r}"
            ) from error

    def _fits(self, value: Any) -> bool:
        try:
            pa.array([value], type=self.result_type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return False
        return True
