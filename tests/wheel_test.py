"""The wheel: made from the objects of the release tree, it gives the package and the command."""

import os
import subprocess
import sys
import zipfile

import machine
import pytest

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the unpacked wheel and pyarrow beside it, as in site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(machine.ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (site / "headrace" / "bin" / "headrace").chmod(0o755)
    (site / "pyarrow").symlink_to(machine.site_packages() / "pyarrow")
    return site


def run(site, *arguments):
    environment = dict(os.environ, PYTHONPATH=str(site))
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_package(site):
    assert str(site) in run(site, "-c", "import headrace; print(headrace.__file__)")


def test_command(site):
    assert run(site, "-m", "headrace", "--help")


def test_finds_pyarrow_beside_itself_only(site):
    program = site / "headrace" / "bin" / "headrace"
    dynamic = subprocess.run(["readelf", "-d", program], capture_output=True, text=True).stdout
    assert "[$ORIGIN/../../pyarrow]" in dynamic
    assert str(machine.VENV) not in dynamic
