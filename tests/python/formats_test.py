"""Files of other writers read by headrace, files of headrace read by others, and CSV against the
reader of Python's standard library."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROWS = 2_000


def rich_table(rows: int = ROWS, seed: int = 7) -> pa.Table:
    """Columns of many types with nulls, some sorted, some of few values."""
    rng = random.Random(seed)

    def some(values: list[Any], share: float = 0.1) -> list[Any]:
        return [None if rng.random() < share else value for value in values]

    day = dt.date(2013, 1, 1)
    start = dt.datetime(2013, 1, 1)
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "small": pa.array(some([i % 100 - 50 for i in range(rows)]), pa.int8()),
            "big": pa.array(some([2**64 - 1 - i for i in range(rows)]), pa.uint64()),
            "x": pa.array(some([rng.uniform(-1e9, 1e9) for _ in range(rows)]), pa.float64()),
            "flag": pa.array(some([i % 3 == 0 for i in range(rows)]), pa.bool_()),
            "text": pa.array(some([f"näme {i % 97}" for i in range(rows)]), pa.string()),
            "unique": pa.array([f"{rng.random()}" for _ in range(rows)], pa.large_string()),
            "code": pa.array(some(["ab", "cd", "ef"] * rows)[:rows]).dictionary_encode(),
            "money": pa.array(
                some([Decimal(rng.randrange(-(10**12), 10**12)) / 100 for _ in range(rows)]),
                pa.decimal128(15, 2),
            ),
            "day": pa.array(some([day + dt.timedelta(i % 700) for i in range(rows)]), pa.date32()),
            "at": pa.array(
                some([start + dt.timedelta(seconds=i * 61.5) for i in range(rows)]),
                pa.timestamp("us"),
            ),
            "zoned": pa.array(
                some([start + dt.timedelta(hours=i) for i in range(rows)]),
                pa.timestamp("ms", "UTC"),
            ),
            "raw": pa.array(some([rng.randbytes(i % 9) for i in range(rows)]), pa.binary()),
            "list": pa.array(some([list(range(i % 5)) for i in range(rows)]), pa.list_(pa.int32())),
            "struct": pa.array(
                some([{"a": i, "b": None if i % 7 == 0 else f"s{i % 11}"} for i in range(rows)])
            ),
            "map": pa.array(
                some([[(f"k{j}", float(j)) for j in range(i % 3)] for i in range(rows)]),
                pa.map_(pa.string(), pa.float64()),
            ),
            "deep": pa.array(some([[{"v": [i, None]}, None] for i in range(rows)])),
        }
    )


TABLE = rich_table()
FLAT = [field.name for field in TABLE.schema if not pa.types.is_nested(field.type)]


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "1.0"},
        {"version": "2.4", "data_page_version": "2.0", "compression": "zstd"},
        {"compression": "gzip", "use_dictionary": False},
        {"compression": "lz4", "row_group_size": 100},
        {"compression": "brotli", "row_group_size": 333, "data_page_size": 1000},
        {"compression": "none", "write_statistics": False, "store_schema": False},
        {"write_page_index": True, "write_page_checksum": True, "row_group_size": 512},
        {"use_deprecated_int96_timestamps": True},
        {"use_dictionary": False, "column_encoding": {"id": "DELTA_BINARY_PACKED"}},
        {"use_dictionary": False, "column_encoding": {"unique": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False, "column_encoding": {"x": "BYTE_STREAM_SPLIT"}},
        {"use_byte_stream_split": ["x"], "use_dictionary": ["text"]},
    ],
    ids=str,
)
def test_parquet_of_pyarrow(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path, **options)
    expected = pq.read_table(path)
    with hr.Session(batch_rows=300) as session:
        table = session.scan(path).to_arrow()
        assert table.column_names == expected.column_names
        assert rows_of(table) == rows_of(expected)
        some = session.scan(path).select("deep", "id", "code").to_arrow()
    assert rows_of(some) == rows_of(expected.select(["deep", "id", "code"]))


def test_parquet_of_duckdb_and_polars(tmp_path: Path) -> None:
    flat = TABLE.select(FLAT)
    duck, polar = tmp_path / "duck.parquet", tmp_path / "polar.parquet"
    duckdb.from_arrow(flat).write_parquet(str(duck), row_group_size=500)
    pl.DataFrame(TABLE.drop(["map"])).write_parquet(polar, row_group_size=700)
    for path in (duck, polar):
        expected = pq.read_table(path)
        assert rows_of(hr.scan(path).to_arrow()) == rows_of(expected)


def test_parquet_for_others(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    hr.from_arrow(TABLE).write(str(path), row_group_rows=512)
    file = pq.ParquetFile(path)
    assert file.metadata.num_row_groups == 4
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.metadata.row_group(1).column(0).statistics.min == 512
    back = file.read()
    assert rows_of(back) == rows_of(TABLE)
    assert back.schema.field("code").type == TABLE.schema.field("code").type
    assert back.schema.field("unique").type == pa.large_string()
    polar = pl.read_parquet(path, columns=["id", "text", "money", "deep"]).to_arrow()
    assert rows_of(polar) == rows_of(TABLE.select(["id", "text", "money", "deep"]))
    count, total = duckdb.execute(f"SELECT count(*), sum(money) FROM '{path}'").fetchall()[0]
    assert count == ROWS
    assert total == sum(value for value in TABLE["money"].to_pylist() if value is not None)


@pytest.mark.parametrize("rows, group_rows", [(0, 10), (1, 10), (1000, 1000), (1000, 90)])
def test_extremes_by_statistics(tmp_path: Path, rows: int, group_rows: int) -> None:
    """min, max and count(*) that statistics answer are those that DuckDB finds in the rows."""
    rng = random.Random(rows)
    numbers = [None if rng.random() < 0.2 else rng.randrange(-(2**31), 2**31) for _ in range(rows)]
    day, start = dt.date(1960, 1, 1), dt.datetime(1950, 1, 1)

    def of(make: Any, kind: pa.DataType) -> pa.Array:
        return pa.array([None if n is None else make(n) for n in numbers], kind)

    table = pa.table(
        {
            "i8": of(lambda n: n % 251 - 125, pa.int8()),
            "u8": of(lambda n: n % 256, pa.uint8()),
            "i32": of(int, pa.int32()),
            "u32": of(lambda n: n + 2**31, pa.uint32()),
            "i64": of(lambda n: n * 2**31, pa.int64()),
            "u64": of(lambda n: (n + 2**31) * 2**32, pa.uint64()),
            "day": of(lambda n: day + dt.timedelta(n % 40000), pa.date32()),
            "ms": of(lambda n: start + dt.timedelta(milliseconds=n), pa.timestamp("ms")),
            "us": of(lambda n: start + dt.timedelta(microseconds=n), pa.timestamp("us")),
            "clock": of(lambda n: n % 86_400_000_000, pa.time64("us")),
            "zone": of(lambda n: start + dt.timedelta(days=n % 9), pa.timestamp("us", "UTC")),
            "s": of(lambda n: start + dt.timedelta(seconds=n), pa.timestamp("s")),
            "real": of(lambda n: n / 7, pa.float64()),
            "nan": of(lambda n: float("nan") if n % 3 == 0 else n / 7, pa.float64()),
            "text": of(lambda n: f"{'long ' * 40}{n}", pa.string()),
            "decimal": of(lambda n: Decimal(n) / 100, pa.decimal128(20, 2)),
            "flag": of(lambda n: n % 2 == 0, pa.bool_()),
            "none": pa.nulls(rows, pa.int64()),
            "part": pa.array([None if i < rows // 2 else i for i in range(rows)], pa.int64()),
        }
    )
    for at, statistics in enumerate((True, False, ["i32"])):
        path = tmp_path / f"t{at}.parquet"
        pq.write_table(table, path, row_group_size=group_rows, write_statistics=statistics)
        for name in table.column_names:
            sql = f"SELECT min({name}) AS a, max({name}) AS b, count(*) AS n FROM '{path}'"
            mine = hr.sql(sql).to_arrow()
            wanted = duckdb.sql(sql).to_arrow_table()
            if name == "nan":  # which value it is to DuckDB is another matter
                read = hr.sql("SELECT min(nan) AS a, max(nan) AS b, count(*) AS n FROM t", t=table)
                wanted = read.to_arrow()
            told = str(wanted.to_pylist()).replace("Etc/UTC", "UTC")
            assert str(mine.to_pylist()) == told, name
            assert mine.schema.field("a").type == table.schema.field(name).type
        for filtered in ("WHERE i32 > 0", "WHERE i32 IS NULL", "WHERE text LIKE '%7'", "LIMIT 300"):
            sql = (
                f"SELECT min(i32) AS a, max(i64) AS b, count(*) AS n"
                f" FROM (SELECT * FROM '{path}' {filtered})"
            )
            wanted = duckdb.sql(sql).to_arrow_table()
            assert hr.sql(sql).to_arrow().to_pylist() == wanted.to_pylist()
        # A column of another name in the plan, one that is computed, and others beside it.
        for asked in ("min(x), max(y)", "min(x + 1)", "min(x), sum(x)", "min(DISTINCT y)"):
            sql = f"SELECT {asked} FROM (SELECT i64 AS y, i32 AS x FROM '{path}')"
            wanted = duckdb.sql(sql).to_arrow_table()
            assert [*map(str, hr.sql(sql).to_arrow().to_pylist()[0].values())] == [
                *map(str, wanted.to_pylist()[0].values())
            ]


def test_extremes_by_statistics_read_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(1000), "t": ["x"] * 1000}), path, row_group_size=100)
    sql = f"SELECT min(a), max(a), count(*) FROM '{path}'"
    assert "scan one row" in hr.sql(sql).explain()
    assert "scan one row" not in hr.sql(sql.replace("min(a)", "min(t)")).explain()
    cursor = hr.sql(sql)
    pq.write_table(pa.table({"a": range(5), "t": ["x"] * 5}), path)
    with pytest.raises(hr.StaleInputError):
        cursor.to_arrow()


def test_page_indexes_point_at_pages_of_every_row_group(tmp_path: Path) -> None:
    """Row groups are encoded apart from each other and put behind each other."""
    path = tmp_path / "t.parquet"
    table = rich_table()
    hr.from_arrow(table).write(path, row_group_rows=300)
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == 7
    data, end = path.read_bytes(), 4
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            assert chunk.has_offset_index
            first = chunk.dictionary_page_offset or chunk.data_page_offset
            assert first == end  # chunks stand behind each other
            end = first + chunk.total_compressed_size
    assert end < len(data)
    for begin in (0, 1, 299, 300, 1234, 1999):  # by the page index, where an engine uses it
        wanted = table.filter(pc.field("id") == begin).to_pylist()
        assert pl.scan_parquet(path).filter(pl.col("id") == begin).collect().height == len(wanted)
        assert duckdb.sql(f"FROM '{path}' WHERE id = {begin}").to_arrow_table().num_rows == len(
            wanted
        )
    import datafusion

    context = datafusion.SessionContext()
    context.register_parquet("t", str(path))
    ids = context.sql("SELECT id FROM t WHERE id BETWEEN 290 AND 610 ORDER BY id").to_arrow_table()
    assert ids["id"].to_pylist() == list(range(290, 611))


def test_json_rows_that_are_mended_or_skipped_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = ['{"a": 1}', '{"a": "x", "b": "y"}', "null", "{", '{"a": 2} 3', '{"a": 3, "a": 4}']
    path.write_text("\n".join(lines * 50) + "\n")
    for on_error, kept, rejected in (("null", 300, 200), ("skip_row", 100, 200)):
        cursor = hr.scan_json(path, columns={"a": "BIGINT", "b": "BIGINT"}, on_error=on_error)
        assert sum(batch.num_rows for batch in cursor) == kept
        assert cursor.metrics()["rejected_rows"] == rejected


def test_truncated_statistics_skip_right(tmp_path: Path) -> None:
    """DuckDB cuts the bounds of long strings; whatever they say, no row may be lost."""
    path = tmp_path / "t.parquet"
    rng = random.Random(3)
    letters = "ab\U0010ffff"
    texts = ["".join(rng.choices(letters, k=rng.randrange(400))) for _ in range(3000)]
    words = pa.table({"t": texts})
    duckdb.from_arrow(words).order("t").write_parquet(str(path), row_group_size=100)
    for wanted in rng.sample(texts, 40):
        got = hr.scan(path).filter(hr.col("t") == wanted).to_arrow()
        assert got.num_rows == texts.count(wanted)


def test_encrypted_parquet_is_refused(tmp_path: Path) -> None:
    class Kms(pe.KmsClient):
        def __init__(self, config: Any) -> None:
            pe.KmsClient.__init__(self)

        def wrap_key(self, key: bytes, master: str) -> bytes:
            return key

        def unwrap_key(self, key: bytes, master: str) -> bytes:
            return key

    factory = pe.CryptoFactory(Kms)
    for plaintext_footer in (False, True):
        path = tmp_path / f"{plaintext_footer}.parquet"
        config = pe.EncryptionConfiguration(
            footer_key="k",
            column_keys={"k": ["text"]},
            plaintext_footer=plaintext_footer,
            double_wrapping=False,
        )
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
        table = TABLE.select(["id", "text"])
        with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
            writer.write_table(table)
        with pytest.raises(hr.UnsupportedError, match="encrypted Parquet files cannot be read"):
            hr.scan(path).to_arrow()


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather_of_pyarrow(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "t.feather"
    pa.feather.write_feather(TABLE, path, compression=compression, chunksize=300)
    assert rows_of(hr.scan(path).to_arrow()) == rows_of(TABLE)
    assert rows_of(hr.scan(path).select("x", "code").to_arrow()) == rows_of(
        TABLE.select(["x", "code"])
    )


def test_feather_version_1_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.feather"
    path.write_bytes(b"FEA1" + bytes(100) + b"FEA1")
    with pytest.raises(hr.UnsupportedError, match="Feather version 1"):
        hr.scan(path).to_arrow()


def test_arrow_files_for_others(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    for compression in ("none", "lz4", "zstd"):
        hr.from_arrow(TABLE).write(str(path), compression=compression)
        back = pa.ipc.open_file(path).read_all()
        assert back.schema.types == TABLE.schema.types
        assert rows_of(back) == rows_of(TABLE)


def test_csv_for_others(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = ["id", "big", "x", "text", "money", "day", "at"]
    hr.from_arrow(TABLE.select(names)).write(str(path))
    back = duckdb.execute(
        f"""SELECT * FROM read_csv('{path}', columns={{'id': 'BIGINT', 'big': 'UBIGINT',
        'x': 'DOUBLE', 'text': 'VARCHAR', 'money': 'DECIMAL(15,2)', 'day': 'DATE',
        'at': 'TIMESTAMP'}})"""
    )
    assert back.fetchall() == [tuple(row.values()) for row in rows_of(TABLE.select(names))]


def test_csv_types_agree_with_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = ["id", "small", "x", "flag", "text", "day", "at"]
    flat = TABLE.select(names)
    duckdb.from_arrow(flat).write_csv(str(path))
    table = hr.scan_csv(path).to_arrow()
    assert [str(kind) for kind in table.schema.types] == [
        "int64",
        "int64",
        "double",
        "bool",
        "string",
        "date32[day]",
        "timestamp[us]",
    ]
    assert rows_of(table) == rows_of(TABLE.select(names))


CELLS = st.text(st.sampled_from('ab,;"\'\n\r\t \\é#|'), max_size=6)
TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)
)


@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    batch_rows=st.sampled_from([1, 3, 4096]),
)
def test_csv_of_the_standard_library(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    delimiter: str,
    quoting: Any,
    line_end: str,
    batch_rows: int,
) -> None:
    width = len(rows[0]) if rows else 2
    if quoting == csv.QUOTE_MINIMAL:  # the module quotes no line ends but its own
        foreign = str.maketrans("", "", "\r\n".translate(str.maketrans("", "", line_end)))
        rows = [[cell.translate(foreign) for cell in row] for row in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow([f"c{i}" for i in range(width)])
    writer.writerows(rows)
    path = tmp_path_factory.getbasetemp() / "module.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    with hr.Session(batch_rows=batch_rows) as session:
        table = session.scan_csv(path, delimiter=delimiter, sample_rows=0).to_arrow()
    got = [list(row.values()) for row in table.to_pylist()]
#An empty field without quotes is null.
    empty = None if quoting == csv.QUOTE_MINIMAL else ""
    assert got == [[cell or empty for cell in row] for row in rows]


@given(rows=TABLES, delimiter=st.sampled_from(",;\t|"))
def test_csv_for_the_standard_library(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str
) -> None:
    width = len(rows[0]) if rows else 2
    columns = {f"c{i}": pa.array([row[i] for row in rows], pa.string()) for i in range(width)}
    path = tmp_path_factory.getbasetemp() / "ours.csv"
    hr.from_arrow(pa.table(columns)).write(str(path), delimiter=delimiter)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file, delimiter=delimiter)) == [list(columns), *rows]
