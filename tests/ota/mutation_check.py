"""Takes each sync, rename and check out of the store, one at a time, and sees that a test fails.

python -m tests.ota.mutation_check
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import edgecl_runtime

ROOT = Path(__file__).parents[2]
ROWS = "tests/ota/rows/"
CUT = ROWS + "test_row_20_power_cuts.py::test_every_power_cut_leaves_the_old_or_the_new_state"
KILL = ROWS + "test_row_20_power_cuts.py::test_a_power_cut_after_a_kill_leaves_what_was_seen_in_between"
ROT = ROWS + "test_row_23_bit_rot.py"
ROOM = ROWS + "test_row_26_room.py"
WHOLE = (
    ROWS + "test_row_20_power_cuts.py::test_a_replaced_file_is_the_old_or_the_new_one_without_its_copy_too"
)
UNSYNCED = ROWS + "test_row_22_failing_disk.py::test_bytes_that_could_not_be_synced_are_not_trusted_later"
SETTLED = "(layout.contents, layout.views, layout.folder)"
STORE = "tests/runtime/store/test_store.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one file of the store, and the test that is to notice it."""

    file: str
    old: str
    new: str
    test: str


def without(file: str, old: str, test: str) -> Mutant:
    """Return the mutant in which a line does nothing."""
    return Mutant(file, old, "pass", test)


MUTANTS = (
    without("files.py", "files.sync(new)", f"{CUT}[commit]"),
    without("files.py", "files.sync(path.parent)", f"{CUT}[commit]"),
    Mutant(
        "files.py",
        "files.append(new, content)\n    files.sync(new)\n    files.rename(new, path)",
        "remove_if_there(files, path)\n    files.append(path, content)\n    files.sync(path)",
        WHOLE,
    ),
    without("files.py", "os.fsync(descriptor)", "tests/runtime/store/test_files.py"),
    without("contents.py", "self._check(partial, sha256, size_bytes)", STORE),
    without("contents.py", "self._files.sync(partial)", f"{CUT}[adopt]"),
    without("contents.py", "self._files.rename(partial, self.path(sha256))", f"{CUT}[adopt]"),
    without("contents.py", "self._files.sync(self._folder)", f"{CUT}[adopt]"),
    without("contents.py", "self._files.protect(partial)", STORE),
    Mutant(
        "contents.py",
        "error.errno == errno.EIO:\n                with",
        "False:\n                with",
        UNSYNCED,
    ),
    Mutant("contents.py", "[0] != sha256", "[0] == ''", ROT),
    without("views.py", "self._files.sync(new)", f"{CUT}[switch a fetched set]"),
    without("views.py", "self._files.sync(self._folder)", f"{CUT}[switch a fetched set]"),
    without("views.py", "self._files.rename(new, view)", f"{CUT}[switch a fetched set]"),
    Mutant("views.py", "return self._files.entries(view) == expected", "return True", ROT),
    Mutant("store.py", SETTLED, "(layout.views, layout.folder)", f"{KILL}[install a pack]"),
    Mutant("store.py", SETTLED, "(layout.contents, layout.folder)", f"{KILL}[begin a trial of a set]"),
    Mutant("store.py", SETTLED, "(layout.contents, layout.views)", f"{KILL}[commit]"),
    without("store.py", "files.sync(layout.folder)", f"{KILL}[create]"),
    without("store.py", "files.sync(layout.folder.parent)", f"{CUT}[create]"),
    Mutant("store.py", "if missing:", "if False:", STORE),
    Mutant("store.py", "if damaged:", "if False:", ROT),
    Mutant("store.py", "self._write(after)  #", "pass  #", ROOM),
    Mutant(
        "store.py", "for state in states for sha256 in state.blobs()", "for sha256 in states[0].blobs()", ROOM
    ),
    Mutant("checked.py", 'record["sha256"] == _digest(body)', "True", STORE),
    without("checked.py", "replace_durably(files, _previous(path), current[0])", ROT),
    without("high_water.py", "_sync_tree(self._files, self._metadata)", f"{CUT}[root rotation]"),
    without("high_water.py", "files.sync(folder / name)", f"{CUT}[root rotation]"),
    without("high_water.py", "files.sync(folder)", f"{CUT}[root rotation]"),
    Mutant("high_water.py", "if current.keys and _takes", "if False and _takes", STORE),
    Mutant("high_water.py", "max(version, versions.get(role, 0))", "version", STORE),
    without("journal.py", "self._files.sync(self._path)", f"{CUT}[journal]"),
    without("journal.py", "self._files.sync(self._path.parent)", f"{CUT}[journal]"),
    without(
        "lock.py",
        "fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        ROWS + "test_row_25_several_processes.py",
    ),
    Mutant("space.py", "if needed > available:", "if False:", ROOM),
)


def is_noticed(mutant: Mutant, scratch: Path) -> bool:
    """Return whether the test fails with the changed store; it must pass with the store as it is."""
    package = scratch / "edgecl_runtime"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(
        Path(edgecl_runtime.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    path = package / "store" / mutant.file
    source = path.read_text()
    assert mutant.old in source, f"{mutant.file} has no {mutant.old!r}: mend this list"
    path.write_text(source.replace(mutant.old, mutant.new))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", mutant.test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    )
    return done.returncode == 1


def main() -> int:
    """Print what no test noticed, and return 1 if there is such a thing."""
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for mutant in MUTANTS:
            noticed = is_noticed(mutant, Path(scratch))
            missed += not noticed
            line = mutant.old.splitlines()[0]
            print(
                f"{'noticed' if noticed else 'MISSED '}  {mutant.file:14} {line} -> {mutant.new.splitlines()[0]}",
                flush=True,
            )
    print(f"{len(MUTANTS)} changes, {missed} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
