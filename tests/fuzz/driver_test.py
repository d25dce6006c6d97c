"""The fuzz driver finds planted bugs, tells which input found them, and repeats itself."""

import os
import re
import subprocess

import pytest
import trees

# Where each planted bug of canary_fuzz.cc shows within a second.
FAILURES = {
    "overflow": "signal 11",
    "abort": "signal 6",
    "hang": "no end after 2 s",
    "hoard": "more than 2 GiB of memory",
}


@pytest.fixture(scope="module")
def canary():
    trees.require(["canary_fuzz"])
    executable = trees.tree() / "fuzz" / "canary_fuzz"

    def run(bug, *arguments):
        environment = dict(os.environ, CANARY_BUG=bug)
        command = [str(executable), *map(str, arguments)]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=100
        )

    return run


@pytest.mark.parametrize("bug", FAILURES)
def test_finds_a_planted_bug(canary, bug, tmp_path):
    timeout = 2 if bug == "hang" else 30
    done = canary(bug, "--seconds", 20, "--timeout", timeout, "--failures", tmp_path)
    assert done.returncode == 1
    assert f"canary_fuzz: FAILED ({FAILURES[bug]})" in done.stdout
    failure = tmp_path / "canary_fuzz.failure"
    assert failure.read_bytes().hex() in done.stdout
    assert len(failure.read_bytes()) <= 11 or bug == "hoard", "not made smaller"
    if not bug.startswith("h"):
        assert canary(bug, failure).returncode < 0, "the file does not fail again"


def test_a_file_that_passes(canary, tmp_path):
    file = tmp_path / "input"
    file.write_bytes(b"nothing")
    done = canary("overflow", file)
    assert (done.returncode, done.stdout) == (0, f"canary_fuzz: {file} passes\n")


def test_a_seed_makes_the_same_inputs(canary, tmp_path):
    options = ["--runs", 100_000, "--failures", tmp_path]
    outputs = [canary("overflow", *options, "--seed", seed).stdout for seed in (5, 5, 6)]
    assert outputs[0] == outputs[1] != outputs[2]


def test_counts_what_it_ran(canary):
    done = canary("none", "--runs", 1000, "--seed", 3)
    assert done.returncode == 0
    assert re.fullmatch(r"canary_fuzz: 1000 inputs in \d+\.\d s, seed 3\n", done.stdout)


def test_stops_in_time(canary):
    done = canary("none", "--seconds", 1)
    assert re.search(r"\d{3,} inputs in 1\.\d s", done.stdout)


@pytest.mark.parametrize("arguments", [["--seconds"], ["--runs", "x"], ["--bogus", "1"]])
def test_refuses_other_options(canary, arguments):
    done = canary("none", *arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr
