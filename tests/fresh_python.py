"""Runs code in a fresh Python and measures it: memory, bytes read, time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

MEASURE = """
import json, resource, sys
def figure(file, name):
    return int(next(line for line in open(file) if line.startswith(name)).split()[1])
def bytes_read():
    return figure("/proc/self/io", "rchar")
def anonymous_mib():
    return figure("/proc/self/status", "RssAnon") / 1024
def peak_mib():
    return figure("/proc/self/status", "VmHWM") / 1024
def tell(**facts):
    print(json.dumps(facts))
"""


def run_fresh(code: str, *arguments: object, seconds: float = 240) -> dict[str, Any]:
    """The facts that `code` tells with `tell(…)`; its arguments are sys.argv[1:]."""
    with start_fresh(code, *arguments) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # Its stacks, by faulthandler.
            time.sleep(1)
            process.kill()
            stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 0, f"exit {process.returncode}\n{stdout}\n{stderr}"
    facts: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return facts


def start_fresh(code: str, *arguments: object) -> subprocess.Popen[str]:
    """`code` running beside this process."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command(code, arguments), stdout=pipe, stderr=pipe, text=True)


def command(code: str, arguments: tuple[object, ...]) -> list[str]:
    program = MEASURE + textwrap.dedent(code)
    return [sys.executable, "-X", "faulthandler", "-c", program, *map(str, arguments)]
