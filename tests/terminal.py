"""A program on a real pseudo terminal: what it shows, keys typed into it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

SECONDS_MAX = 60.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\([B0]")


class Terminal:
    """Runs `command` with a terminal of `columns` as its input and output."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        columns: int = 80,
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", **(environment or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.raw = ""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    @property
    def shown(self) -> str:
        """Everything shown so far, without escape sequences."""
        return ESCAPES.sub("", self.raw).replace("\r", "")

    def type(self, keys: str) -> None:
        """Types `keys`; "\\n" is the return key."""
        os.write(self.master, keys.replace("\n", "\r").encode())

    def wait_for(self, text: str) -> str:
        """Waits for `text` behind what the last wait found; gives all up to its end."""
        start = self._seen
        deadline = time.monotonic() + SECONDS_MAX
        while text not in self.shown[start:]:
            if not self._read(deadline):
                raise AssertionError(f"expected {text!r}, shown: {self.shown[start:]!r}")
        self._seen = self.shown.index(text, start) + len(text)
        return self.shown[start : self._seen]

    def wait_for_end(self) -> int:
        """The exit code."""
        deadline = time.monotonic() + SECONDS_MAX
        while self._read(deadline):
            pass
        return self.process.wait(SECONDS_MAX)

    def interrupt(self) -> None:
        """Types Ctrl-C."""
        os.write(self.master, b"\x03")

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _read(self, deadline: float) -> bool:
        """Reads what there is; false at the end of the program or the time."""
        while time.monotonic() < deadline:
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return False
            self.raw += data.decode(errors="replace")
            return bool(data)
        return False
