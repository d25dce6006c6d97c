"""Every call to the disk, allocation and reservation of every breaker fails once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
def test_every_fault_of_every_breaker(headrace_command: str) -> None:
    tests = Path(headrace_command).parent / "unit" / "sql_test"
    command = [str(tests), "--gtest_filter=*SpillFaultTest*", "--gtest_brief=1"]
    subprocess.run(command, env=os.environ | {"HEADRACE_TEST_ALL": "1"}, check=True)
