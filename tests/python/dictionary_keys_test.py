"""Groups by keys that come with a dictionary, against the same keys without one."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest

import headrace

# A value twice, a null, and values that no row has.
WORDS = ["a", "b", "a", None, "", "never", "c"]


@pytest.mark.parametrize("index", [pa.int8(), pa.uint16(), pa.int32(), pa.int64()])
@pytest.mark.parametrize("words", [WORDS, ["x"], WORDS * 300], ids=["few", "one", "many"])
@pytest.mark.parametrize("chunk", [7, 100, 40_000])
def test_groups(index: pa.DataType, words: list[str | None], chunk: int) -> None:
    if len(words) > 128 and index == pa.int8():
        pytest.skip("codes do not fit")
    rng = np.random.default_rng(1)
    codes = rng.integers(0, len(words), 40_000)
    codes[codes == 5] = 0
    nulls = rng.random(40_000) < 0.1
    indices = pa.array(codes, index, mask=nulls)
    keys = pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))
    numbers = np.arange(40_000)
    table = pa.table({"k": keys, "n": numbers})
    chunked = pa.Table.from_batches(table.to_batches(max_chunksize=chunk))
    expected: dict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    for code, null, number in zip(codes, nulls, numbers, strict=True):
        group = expected[None if null else words[code]]
        group[0] += 1
        group[1] += int(number)
    with headrace.Session(threads=2) as session:
        session.register("x", chunked)
        answer = session.sql("SELECT k, count(*) AS c, sum(n) AS s FROM x GROUP BY k").to_arrow()
    rows = answer.to_pylist()
    assert len(rows) == len(expected)
    assert {row["k"]: [row["c"], row["s"]] for row in rows} == dict(expected)
