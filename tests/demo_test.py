"""The demo of streams with few rows: it fails unless what the job wrote is DuckDB's answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "demo"))

import stream_demo

Spoil = Callable[[list[str]], list[str]]


def test_the_streaming_demo_runs(
    headrace_command: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(stream_demo, "FOLDER", tmp_path / "demo")
    monkeypatch.setenv("HEADRACE_COMMAND", headrace_command)
    stream_demo.main(3_000)
    shown = capsys.readouterr().out
    assert shown.count("the same as DuckDB's over the whole files") == 2
    assert "enriched: 3000 rows in" in shown
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("enriched", lambda lines: lines[1:]),
        ("enriched", lambda lines: [lines[0], *lines]),
        ("per_minute", lambda lines: [lines[0].replace('"n":', '"n":1'), *lines[1:]]),
    ],
)
def test_another_answer_is_noticed(
    headrace_command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, spoil: Spoil
) -> None:
    monkeypatch.setattr(stream_demo, "FOLDER", tmp_path)
    monkeypatch.setenv("HEADRACE_COMMAND", headrace_command)
    stream_demo.make(500)
    stream_demo.run()
    stream_demo.check()
    path = tmp_path / f"{name}.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(spoil(lines)))
    with pytest.raises(SystemExit, match=f"demo: {name}: "):
        stream_demo.check()


def test_dev_demo_takes_the_option() -> None:
    command = [sys.executable, str(ROOT / "demo" / "demo.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0 and "--stream" in done.stdout
