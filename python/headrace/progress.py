"""The progress bar of long runs: on a terminal or in a notebook, after a second."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

QUIET_SECONDS = 1.0
SECONDS_BETWEEN = 0.1
BAR_WIDTH = 20

MODES: dict[object, str] = {"auto": "auto", True: "on", False: "off", None: "off"}


class Progress:
    """Called with figures while a run is waited for; draws a line and takes it away at the end.

    `with Progress.of(mode) as progress:` gives None where nothing is to be shown.
    """

    def __init__(self, display: TerminalLine | NotebookLine) -> None:
        self._display = display
        self._start = time.monotonic()
        self._next = self._start + QUIET_SECONDS

    @staticmethod
    def of(mode: str) -> Progress | Silence:
        """What shows progress under `mode`: "auto", "on" or "off"."""
        if mode != "off" and in_notebook():
            return Progress(NotebookLine())
        if mode == "on" or (mode == "auto" and sys.stderr is not None and sys.stderr.isatty()):
            return Progress(TerminalLine(sys.stderr))
        return Silence()

    def __call__(self, rows: int, bytes_read: int, splits_read: int, splits: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SECONDS_BETWEEN
        self._display.show(text(rows, bytes_read, splits_read, splits, now - self._start))

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._display.clear()


class Silence:
    """Shows nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info: object) -> None:
        return None


class TerminalLine:
    """One line of a terminal, written over again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def show(self, line: str) -> None:
        self._shown = True
        self._write("\r\x1b[K" + line)

    def clear(self) -> None:
        if self._shown:
            self._write("\r\x1b[K")

    def _write(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()


class NotebookLine:
    """One output of a notebook's cell, replaced."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, line: str) -> None:
        from IPython import display  # type: ignore[import-not-found,unused-ignore]

        shown = {"text/plain": line}
        if self._handle is None:
            self._handle = display.display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)


def in_notebook() -> bool:
    """Whether this Python serves a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def text(rows: int, bytes_read: int, splits_read: int, splits: int, seconds: float) -> str:
    """`[=====>    ]  27%  1,234,567 rows, 45.1 MB read, 3.2 s`; no bar when the end is unknown."""
    bar = ""
    if splits > 1:
        part = splits_read / splits
        filled = "=" * int(part * BAR_WIDTH) + (">" if part < 1 else "")
        bar = f"[{filled:<{BAR_WIDTH}}] {part:4.0%}  "
    return f"{bar}{rows:,} rows, {bytes_read / 1e6:,.1f} MB read, {seconds:.1f} s"
