"""The progress bar: where it is shown, what it says."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import headrace as hr
import pytest
from headrace import progress
from terminal import Terminal


@pytest.fixture
def slow() -> Iterator[hr.Session]:
    with hr.Session(threads=1, batch_rows=1, progress=True) as session:
        yield session


def test_text() -> None:
    shown = progress.text(1_234_567, 45_100_000, 1, 4, 3.21)
    assert shown == "[=====>              ]  25%  1,234,567 rows, 45.1 MB read, 3.2 s"
    assert progress.text(5, 0, 0, 1, 1) == "5 rows, 0.0 MB read, 1.0 s"
    assert progress.text(5, 0, 4, 4, 1).startswith("[====================] 100%")


def test_progress_counts_rows(
    slow: hr.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.0)
    slow.from_arrow({"a": list(range(3000))}).write_csv(tmp_path / "out.csv")
    shown = stream.getvalue()
    assert " rows, " in shown and shown.endswith("\r\x1b[K")


def test_progress_is_silent_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    for mode in ("auto", False):
        with hr.Session(threads=1, progress=mode) as session:
            session.from_arrow({"a": [1]}).write_csv(tmp_path / "out.csv")
    assert stream.getvalue() == ""
    with pytest.raises(hr.InvalidArgumentError, match='"auto", True or False'):
        hr.Session(progress="sometimes")


class Notebook:
    """As much of IPython as the bar wants: a shell of a notebook, and outputs that change."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, shown: dict[str, str], **how: bool) -> Notebook:
        self.shown.append(shown["text/plain"])
        return self

    update = __call__

    def get_ipython(self) -> object:
        return type("ZMQInteractiveShell", (), {})()

    @property
    def display(self) -> object:
        return type("display", (), {"display": staticmethod(self.__call__)})


def test_progress_in_a_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", notebook)  # type: ignore[misc]
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.0)
    with hr.Session(threads=1, batch_rows=1) as session:
        session.from_arrow({"a": list(range(3000))}).write_csv(tmp_path / "out.csv")
    assert " rows, " in notebook.shown[0] and notebook.shown[-1] == ""


PROGRAM = """
import headrace as hr
hr.progress.QUIET_SECONDS = 0.1
s = hr.Session(threads=1)
s.register("t", {"k": [1] * 5_000, "v": ["abc"] * 5_000})
rows = s.sql("SELECT count(*) AS n FROM t a JOIN t b ON a.k = b.k AND a.v || b.v = 'x'").to_arrow()
print("done", rows.num_rows)
"""


def test_progress_on_a_terminal(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-c", PROGRAM], cwd=tmp_path) as terminal:
        terminal.wait_for("done 1")
        assert "MB read" in terminal.shown
