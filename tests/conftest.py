"""Options of the whole Python suite: which tiers run, and how many cases a property gets."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.register_profile("full", max_examples=200, deadline=None, print_blob=True)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="tests marked full, more cases")
    parser.addoption("--slow", action="store_true", help="also tests marked slow")


def pytest_configure(config):
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "quick")


def pytest_collection_modifyitems(config, items):
    for tier in ("full", "slow"):
        if config.getoption(f"--{tier}"):
            continue
        for item in items:
            if tier in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"needs --{tier}"))


@pytest.fixture(scope="session")
def headrace_command():
    """Path of the built `headrace` command; the sanitized one in a sanitized run."""
    return os.environ.get("HEADRACE_COMMAND", str(ROOT / "build" / "headrace"))
