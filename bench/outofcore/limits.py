"""The limit on the memory of a process and of all that it starts.

Where this process may make a cgroup (v2) the kernel keeps the limit. Elsewhere resident memory is
watched: what passes the limit is killed; a lax RLIMIT_DATA stands behind the watch. An RLIMIT as
low as the limit would count what allocators reserve and never touch: 110 to 310 MB without data.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
LAX_BYTES = 512 << 20
PR_SET_PDEATHSIG = 1


@dataclasses.dataclass(frozen=True)
class Limit:
    """`group` is the folder of the cgroup; without one the watch keeps the limit."""

    bytes: int
    group: Path | None = None

    @property
    def kept_by(self) -> str:
        return "cgroup v2" if self.group else "watch"

    @property
    def data_bytes(self) -> int:
        return 2 * self.bytes + LAX_BYTES

    def kills(self) -> int:
        """How often the kernel killed a process of the cgroup."""
        if self.group is None:
            return 0
        words = (self.group / "memory.events").read_text().split()
        return int(words[words.index("oom_kill") + 1])


def enter(limit_bytes: int, group: str) -> None:
    """Called by the process to be limited before all else. It dies with its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    else:
        most = Limit(limit_bytes).data_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def parents(root: Path, lines: str) -> list[Path]:
    """Folders of cgroups in which this process may get a group of its own, by /proc/self/cgroup."""
    own = next((line[3:] for line in lines.splitlines() if line.startswith("0::")), "/")
    folder = root / own.lstrip("/")
    return [folder, folder.parent] if folder != root else [folder]


def hands_out_memory(folder: Path) -> bool:
    """Groups below the folder have limits of their own."""
    file = folder / "cgroup.subtree_control"
    return file.exists() and "memory" in file.read_text().split() and os.access(folder, os.W_OK)


def try_to_enter(group: Path) -> None:
    """Raises OSError where a process of ours may not be moved into the group."""
    with subprocess.Popen(["sleep", "5"]) as process:
        try:
            (group / "cgroup.procs").write_text(str(process.pid))
        finally:
            process.kill()


@contextlib.contextmanager
def limited(limit_bytes: int, root: Path = CGROUPS, lines: str | None = None) -> Iterator[Limit]:
    """A limit for one process; its cgroup, where there can be one, is removed at the end."""
    text = Path("/proc/self/cgroup").read_text() if lines is None else lines
    for folder in parents(root, text):
        group = folder / f"headrace-outofcore-{os.getpid()}"
        if not hands_out_memory(folder):
            continue
        try:
            group.mkdir(exist_ok=True)
            (group / "memory.max").write_text(str(limit_bytes))
            if (group / "memory.swap.max").exists():
                (group / "memory.swap.max").write_text("0")
            try_to_enter(group)
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield Limit(limit_bytes, group)
        finally:
            with contextlib.suppress(OSError):
                group.rmdir()
        return
    yield Limit(limit_bytes)
