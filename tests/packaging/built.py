"""What the build makes of the tree, and how to look at it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was built from one pyproject.toml.

    Attributes:
        packages: The folders of the tree that the wheel must bring, by the name they are imported with.
        wheel: Built from the tree.
        sdist: Built from the tree.
        wheel_of_sdist: Built from the sdist.
    """

    packages: dict[str, Path]
    wheel: Path
    sdist: Path
    wheel_of_sdist: Path

    def tree_files(self) -> dict[str, bytes]:
        """Return the files of the packages as they are in the tree, by their name in a wheel."""
        return {
            f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for package, folder in self.packages.items()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def metadata(self) -> list[str]:
        """Return the lines of the wheel's METADATA."""
        files = wheel_files(self.wheel)
        return next(files[name] for name in files if name.endswith("/METADATA")).decode().splitlines()


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Return the content of every file of a wheel by its name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_names(sdist: Path) -> set[str]:
    """Return the names of the files of an sdist, without the folder they are all in."""
    with tarfile.open(sdist) as archive:
        return {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}


def package_files(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of a wheel without its metadata."""
    return {name: content for name, content in files.items() if ".dist-info/" not in name}


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of which the tree is not on the path of Python."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def run_checked(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed and return what it printed."""
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_distribution(folder: Path, out: Path, *, packages: dict[str, Path]) -> Distribution:
    """Build the wheel of a folder, and its sdist with the wheel that comes of it."""
    build = (sys.executable, "-m", "build", "--no-isolation")
    run_checked(*build, "--wheel", "--outdir", out / "tree", folder, cwd=out)
    run_checked(*build, "--outdir", out / "sdist", folder, cwd=out)
    return Distribution(
        packages=packages,
        wheel=next((out / "tree").glob("*.whl")),
        sdist=next((out / "sdist").glob("*.tar.gz")),
        wheel_of_sdist=next((out / "sdist").glob("*.whl")),
    )


def make_venv(folder: Path) -> Path:
    """Make an environment that is quite empty, without pip even, and return its interpreter."""
    run_checked(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    return folder / "bin" / "python"


def pip_for(python: Path, *arguments: str | Path) -> tuple[str | Path, ...]:
    """Return the command with which the pip of this environment works on another one."""
    return (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, *arguments)
