"""Brings a machine to the state that every command needs: Debian packages and a private .venv.

Idempotent, and a few milliseconds when there is nothing to do. Prints whatever it installs.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "tools" / "requirements.txt"

# Each entry is a package, or alternatives of which the first that exists is taken.
APT_PACKAGES = [
    "g++",
    "cmake",
    "ninja-build",
    "mold",
    "python3-dev",
    "python3-venv",
    "libgtest-dev",
    "libgmock-dev",
    "libcli11-dev",
    "libfmt-dev",
    "libfast-float-dev",
    "libxxhash-dev",
    "libhwy-dev",
    "libsimdjson-dev",
    "libre2-dev",
    "libyaml-cpp-dev",
    "libtomlplusplus-dev",
    "libutf8proc-dev",
    "libhowardhinnant-date-dev",
    "libedit-dev",
    # 1.74's asio.hpp does not compile as C++20.
    "libboost1.81-dev|libboost1.83-dev|libboost-dev",
]


def say(text):
    print(f"dev: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path, waiting_for):
    """Holds an exclusive lock on the file `path`; on a terminal says when it has to wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if sys.stderr.isatty():
                say(f"waiting for {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installed_packages(names):
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names]
    listing = subprocess.run(query, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}


def first_available(names):
    for name in names:
        if subprocess.run(["apt-cache", "show", name], capture_output=True).returncode == 0:
            return name
    sys.exit(f"dev: none of these Debian packages exists here: {', '.join(names)}")


def install_apt_packages():
    if not shutil.which("dpkg-query"):
        return  # Not Debian: cmake says what is missing.
    groups = [entry.split("|") for entry in APT_PACKAGES]
    present = installed_packages([name for group in groups for name in group])
    missing = [group for group in groups if not present.intersection(group)]
    if not missing:
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run([*root, "apt-get", "update", "-qq"], check=True, env=environment)
    names = [first_available(group) for group in missing]
    say(f"installing Debian packages: {' '.join(names)}")
    command = [*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *names]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def usable_interpreter(python):
    """Whether `python` is 3.11 or newer, has its C headers and can make a virtual environment."""
    probe = (
        "import ensurepip, os, sys, sysconfig, venv;"
        "header = os.path.join(sysconfig.get_paths()['include'], 'Python.h');"
        "sys.exit(not (sys.version_info >= (3, 11) and os.path.exists(header)))"
    )
    return subprocess.run([python, "-c", probe], capture_output=True).returncode == 0


def interpreter():
    for python in ("/usr/bin/python3", sys.executable):
        if os.path.exists(python) and usable_interpreter(python):
            return python
    sys.exit("dev: no Python 3.11 or newer with its C headers (Python.h) and venv module was found")


def make_venv():
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    stamp = VENV / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == wanted and PYTHON.exists():
        return
    if not PYTHON.exists():
        python = interpreter()
        say(f"making .venv with {python}")
        subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
    pins = [line for line in REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
    say(f"installing into .venv: {' '.join(pins)}")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    write_path_file()
    stamp.write_text(wanted)


def site_packages():
    return next((VENV / "lib").glob("python3.*")) / "site-packages"


def write_path_file():
    """Makes `import headrace` in the venv find the package of the release tree."""
    (site_packages() / "headrace_build.pth").write_text(f"{ROOT / 'build' / 'python'}\n")


def set_up():
    with locked(ROOT / "build" / ".setup.lock", "another setup"):
        install_apt_packages()
        make_venv()
