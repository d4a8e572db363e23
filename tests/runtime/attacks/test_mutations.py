from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgecl_runtime import PackError, parse_pack
from tests.runtime.attacks.mutations import KINDS, Mutate, make_original, mutations, not_finite

ROOT = Path(__file__).resolve().parents[3]


def is_refused(raw: bytes) -> bool:
    try:
        parse_pack(raw, "attack")
    except PackError:
        return True
    return False


def test_there_are_ten_thousand() -> None:
    assert sum(count for _, count in KINDS) == 10_000


# Every integer is finite: what spoils a float is another pack here.
INT8_KINDS = tuple((kind, count) for kind, count in KINDS if kind is not not_finite)


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("kind", "count"), KINDS, ids=name_of)
def test_a_damaged_pack_is_refused_or_equal(kind: Mutate, count: int) -> None:
    original = make_original()
    accepted = [raw for raw in mutations(kind, count) if raw != original and not is_refused(raw)]
    assert accepted == []


@pytest.mark.parametrize(("kind", "count"), INT8_KINDS, ids=name_of)
def test_a_damaged_int8_pack_is_refused_or_equal(kind: Mutate, count: int) -> None:
    original, damaged = make_original(int8=True), mutations(kind, count, int8=True)
    accepted = [raw for raw in damaged if raw != original and not is_refused(raw)]
    assert accepted == []


READ_ALL = """
import resource, sys
from contextlib import suppress
from pathlib import Path
from edgecl_runtime import PackError, read_pack
from tests.runtime.attacks.mutations import KINDS, make_original, mutations

path = Path(sys.argv[1]) / "attack.ecpack"
path.write_bytes(make_original())
read_pack(path)
elsewhere, reading = set(), False

def note(event, arguments):
    if reading and event == "open" and Path(str(arguments[0])).parent != path.parent:
        elsewhere.add(str(arguments[0]))

sys.addaudithook(note)
before, largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
for kind, count in KINDS:
    for raw in mutations(kind, count):
        largest = max(largest, len(raw))
        path.write_bytes(raw)
        reading = True
        with suppress(PackError):
            read_pack(path)
        reading = False
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown * 1024, largest, *elsewhere, sep="\\n")
"""


def test_reading_all_of_them_from_disk_stays_within_memory_and_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", READ_ALL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    grown, largest, *elsewhere = done.stdout.split("\n")[:-1]
    assert int(grown) <= 2 * int(largest) + 10_000_000
    assert elsewhere == []
