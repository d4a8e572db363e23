"""Takes each sync, rename and check out of store and updater, one at a time, and sees that a test fails.

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
PATIENCE_S = 120
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
LOST = ROWS + "test_row_09_lost_caches.py"
CLOCKS = ROWS + "test_row_11_clocks.py"
GATE = ROWS + "test_row_16_gate.py"
WITHDRAWN = ROWS + "test_row_18_withdrawal.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one file of the runtime, and the test that is to notice it."""

    file: str
    old: str
    new: str
    test: str


def without(file: str, old: str, test: str) -> Mutant:
    """Return the mutant in which a line does nothing."""
    return Mutant(file, old, "pass", test)


MUTANTS = (
    without("store/files.py", "files.sync(new)", f"{CUT}[commit]"),
    without("store/files.py", "files.sync(path.parent)", f"{CUT}[commit]"),
    Mutant(
        "store/files.py",
        "files.append(new, content)\n    files.sync(new)\n    files.rename(new, path)",
        "remove_if_there(files, path)\n    files.append(path, content)\n    files.sync(path)",
        WHOLE,
    ),
    without("store/files.py", "os.fsync(descriptor)", "tests/runtime/store/test_files.py"),
    without("store/contents.py", "self._check(partial, sha256, size_bytes)", STORE),
    without("store/contents.py", "self._files.sync(partial)", f"{CUT}[adopt]"),
    without("store/contents.py", "self._files.rename(partial, self.path(sha256))", f"{CUT}[adopt]"),
    without("store/contents.py", "self._files.sync(self._folder)", f"{CUT}[adopt]"),
    without("store/contents.py", "self._files.protect(partial)", STORE),
    Mutant(
        "store/contents.py",
        "error.errno == errno.EIO:\n                with",
        "False:\n                with",
        UNSYNCED,
    ),
    Mutant("store/contents.py", "[0] != sha256", "[0] == ''", ROT),
    without("store/views.py", "self._files.sync(new)", f"{CUT}[switch a fetched set]"),
    without("store/views.py", "self._files.sync(self._folder)", f"{CUT}[switch a fetched set]"),
    without("store/views.py", "self._files.rename(new, view)", f"{CUT}[switch a fetched set]"),
    Mutant("store/views.py", "return self._files.entries(view) == expected", "return True", ROT),
    Mutant("store/store.py", SETTLED, "(layout.views, layout.folder)", f"{KILL}[install a pack]"),
    Mutant("store/store.py", SETTLED, "(layout.contents, layout.folder)", f"{KILL}[begin a trial of a set]"),
    Mutant("store/store.py", SETTLED, "(layout.contents, layout.views)", f"{KILL}[commit]"),
    without("store/store.py", "files.sync(layout.folder)", f"{KILL}[create]"),
    without("store/store.py", "files.sync(layout.folder.parent)", f"{CUT}[create]"),
    Mutant("store/store.py", "if missing:", "if False:", STORE),
    Mutant("store/store.py", "if damaged:", "if False:", ROT),
    Mutant("store/store.py", "self._write(after)  #", "pass  #", ROOM),
    Mutant(
        "store/store.py",
        "for state in states for sha256 in state.blobs()",
        "for sha256 in states[0].blobs()",
        ROOM,
    ),
    Mutant("store/checked.py", 'record["sha256"] == _digest(body)', "True", STORE),
    without("store/checked.py", "replace_durably(files, _previous(path), current[0])", ROT),
    without("store/high_water.py", "_sync_tree(self._files, self._metadata)", f"{CUT}[root rotation]"),
    without("store/high_water.py", "files.sync(folder / name)", f"{CUT}[root rotation]"),
    without("store/high_water.py", "files.sync(folder)", f"{CUT}[root rotation]"),
    Mutant("store/high_water.py", "if current.keys and _takes", "if False and _takes", STORE),
    Mutant("store/high_water.py", "max(version, versions.get(role, 0))", "version", STORE),
    without("store/journal.py", "self._files.sync(self._path)", f"{CUT}[journal]"),
    without("store/journal.py", "self._files.sync(self._path.parent)", f"{CUT}[journal]"),
    without(
        "store/lock.py",
        "fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        ROWS + "test_row_25_several_processes.py",
    ),
    Mutant("store/space.py", "if needed > available:", "if False:", ROOM),
    Mutant("ota/transfer.py", "if found == expected:", "if True:", ROWS + "test_row_01_tampered_packs.py"),
    Mutant(
        "ota/transfer.py",
        "if self.have + len(chunk) >",
        "if False and 0 >",
        ROWS + "test_row_02_wrong_lengths.py",
    ),
    Mutant(
        "ota/transfer.py",
        "if body.total not in",
        "if False and 0 not in",
        ROWS + "test_row_02_wrong_lengths.py",
    ),
    Mutant("ota/web_origin.py", "int(found[1]) != start", "False", ROWS + "test_row_04_splices.py"),
    Mutant("ota/trust.py", "if version < lowest:", "if False:", LOST),
    Mutant("ota/trust.py", "if version is None:", "if False:", LOST),
    Mutant("ota/trust.py", "self._record.raise_to(reached)", "reached", LOST),
    Mutant("ota/trust.py", "max(floors, default=None)", "None", CLOCKS),
    Mutant("ota/clock.py", "clock if floor is None else max(clock, floor)", "clock", CLOCKS),
    Mutant("ota/clock.py", "if floor is None and clock < _EARLIEST:", "if False:", CLOCKS),
    Mutant("ota/client.py", "if roles[role].is_delegated_path(path)", "", ROWS + "test_row_14_paths.py"),
    without("ota/select.py", "_check_counters(releases, release, slot)", ROWS + "test_row_17_counter.py"),
    Mutant("ota/select.py", "if rollout is not None and rollout.withdrawn:", "if False:", WITHDRAWN),
    Mutant("ota/select.py", "if failed is not None and", "if False and", ROWS + "test_row_24_probe.py"),
    Mutant(
        "ota/select.py", "if not is_offered(", "if False and is_offered(", ROWS + "test_row_19_rollout.py"
    ),
    without(
        "ota/session.py", 'self._moved("withdrawn", lambda: self._store.set_withdrawn(withdrawn))', WITHDRAWN
    ),
    Mutant("ota/gate.py", "if backbone is not None and", "if False and", GATE),
    Mutant("ota/gate.py", "if is_newer_than_this(release.min_runtime):", "if False:", GATE),
    Mutant("ota/gate.py", "if release.format > FORMAT_VERSION:", "if False:", GATE),
    Mutant("ota/gate.py", "if release.device_class not in", "if False and 0 not in", GATE),
    Mutant("ota/gate.py", "if found != expected:", "if False:", GATE),
)


def is_noticed(mutant: Mutant, scratch: Path) -> bool:
    """Return whether the test fails with the changed file; it must pass with the file as it is."""
    package = scratch / "edgecl_runtime"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(
        Path(edgecl_runtime.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    path = package / mutant.file
    source = path.read_text()
    assert mutant.old in source, f"{mutant.file} has no {mutant.old!r}: mend this list"
    path.write_text(source.replace(mutant.old, mutant.new))
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                "-m",
                "not slow",
                mutant.test,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:  # an answer without an end was read for ever
        return True
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
                f"{'noticed' if noticed else 'MISSED '}  {mutant.file:20} {line} -> {mutant.new.splitlines()[0]}",
                flush=True,
            )
    print(f"{len(MUTANTS)} changes, {missed} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
