"""Files that are cut off or have flipped bits: an error or rows, never a crash, and a session that
goes on. Every case runs in this process, so a crash fails the whole run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import headrace as hr
import pyarrow as pa
import pytest

TABLE = pa.table(
    {
        "i": pa.array([*range(300), None]),
        "s": pa.array([f"text {i % 17}" for i in range(300)] + [None]),
        "x": pa.array([i / 8 for i in range(300)] + [None]),
        "l": pa.array([[i, None] for i in range(300)] + [None], pa.list_(pa.int64())),
    }
)
KINDS = ["parquet", "arrow", "csv"]
FLIPS = 150


@pytest.fixture(scope="module")
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2, batch_rows=64) as made:
        yield made


@pytest.fixture(params=KINDS)
def good(request: pytest.FixtureRequest, tmp_path: Path, session: hr.Session) -> Path:
    path = tmp_path / f"good.{request.param}"
    columns = ["i", "s", "x"] if request.param == "csv" else TABLE.column_names
    session.from_arrow(TABLE.select(columns)).write(path)
    return path


def read(session: hr.Session, path: Path) -> bool:
    """Whether `path` could be read; nothing but our errors may come out."""
    try:
        session.scan(path).to_arrow().validate(full=True)
    except hr.InternalError:
        raise
    except hr.Error as error:
        assert str(error)
        return False
    return True


def test_cut_files(session: hr.Session, good: Path) -> None:
    whole = good.read_bytes()
    bad = good.with_name(f"cut{good.suffix}")
    steps = sorted({0, 1, 2, 3, 7, 8, *range(0, len(whole), max(1, len(whole) // 60))})
    for length in steps:
        bad.write_bytes(whole[:length])
        worked = read(session, bad)
        assert not worked or good.suffix == ".csv", f"{length} of {len(whole)} bytes were enough"
    assert read(session, good)


def test_flipped_bits(session: hr.Session, good: Path) -> None:
    whole = good.read_bytes()
    bad = good.with_name(f"flipped{good.suffix}")
    chance = random.Random(3)
    failed = 0
    for _ in range(FLIPS):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        bad.write_bytes(broken)
        failed += not read(session, bad)
    assert failed > 0
    assert read(session, good)


def test_noise(session: hr.Session, tmp_path: Path) -> None:
    chance = random.Random(4)
    for kind in KINDS:
        for length in (0, 1, 10, 1000):
            path = tmp_path / f"noise.{kind}"
            path.write_bytes(chance.randbytes(length))
            read(session, path)


def test_missing_things(session: hr.Session, good: Path, tmp_path: Path) -> None:
    with pytest.raises(hr.NotFoundError, match="missing.csv"):
        session.scan(tmp_path / "missing.csv")
    with pytest.raises(hr.NotFoundError):
        session.scan(str(tmp_path / "none*.csv"))
    with pytest.raises(hr.UnknownNameError, match="nothing"):
        session.scan(good).select(hr.col("nothing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(hr.NotFoundError, match="empty"):
        session.scan(tmp_path / "empty", format="csv")


def test_a_file_that_changes_under_a_query(session: hr.Session, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    cursor = session.scan(path)
    assert cursor.to_pylist() == [{"a": 1}]
    path.write_text("a\n1\n2\n3\n")
    with pytest.raises(hr.StaleInputError, match="t.csv"):
        cursor.to_arrow()
    assert session.scan(path).to_arrow().num_rows == 3


def test_csv_errors_name_the_place(session: hr.Session, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,x\n" * 5000 + "oops,y\n")
    with pytest.raises(hr.BadDataError, match=r"t\.csv:5002.*a.*oops"):
        session.scan(path, columns={"a": "BIGINT", "b": "VARCHAR"}).to_arrow()


def test_nothing_half_written(session: hr.Session, tmp_path: Path) -> None:
    for kind in KINDS:
        path = tmp_path / f"out.{kind}"
        bad = session.from_arrow({"a": list(range(5000))}).select(q="1 // (a - 4000)")
        with pytest.raises(hr.DivisionByZeroError):
            bad.write(path)
    assert list(tmp_path.iterdir()) == []
