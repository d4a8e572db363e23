"""Row 15: a pack that somebody signed although it is none is refused on the device, and what is in use stays in use.

What the parser itself refuses is in tests/runtime/attacks: 10,000 damaged packs of these kinds, any bytes, and the
memory that they may cost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecl_runtime import PackError
from edgecl_runtime.ota.probe import run_probe
from tests.ota.field import Field, make_field
from tests.runtime.attacks.mutations import KINDS, Mutate, make_original, mutations


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A device that has the task "leaves"; hostile packs leave nothing behind that a test could see."""
    field = make_field(tmp_path_factory.mktemp("device"))
    field.release_pack()
    field.update()
    return field


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS], ids=lambda kind: kind.__name__)
def test_a_signed_pack_that_is_damaged_is_refused_and_not_tried_again(field: Field, kind: Mutate) -> None:
    original, before = make_original(), field.versions
    hostile = next(raw for raw in mutations(kind, 50) if raw != original)
    release = field.release_pack(version=2, release_counter=2, raw=hostile)
    errors = field.update().errors
    assert [isinstance(error, PackError) for error in errors] == [True]
    assert field.versions == before
    assert release.sha256 in field.state.quarantine
    field.repository.pack_releases.remove(release)


def test_the_parser_runs_in_the_child_too(field: Field, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.ecpack"
    hostile.write_bytes(b"hostile")
    bundle = field.active.bundle
    assert bundle is not None
    result = run_probe(field.store / "bundles" / bundle.sha256, [hostile], field.limits)
    assert (result.reason, result.culprit) == ("refused", hostile)
