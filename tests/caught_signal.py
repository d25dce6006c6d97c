"""When a process that has just been started takes a signal in its own way."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

SECONDS_MAX = 60.0


def wait_until_caught(process: subprocess.Popen[bytes], number: int) -> None:
    """Until `process` has a handler for the signal `number`, or has ended."""
    deadline = time.monotonic() + SECONDS_MAX
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
        if caught and int(caught[1], 16) >> (number - 1) & 1:
            return
        assert time.monotonic() < deadline, f"no handler of signal {number} in {SECONDS_MAX} s"
        time.sleep(0.005)
