from __future__ import annotations

import pytest
from tuf.api.metadata import Delegations, Targets

from edgecl_export.repository.errors import RepositoryError
from edgecl_export.repository.roles import delegated_roles, delegation


@pytest.mark.parametrize("delegations", [None, Delegations({}, {})])
def test_a_repository_of_another_tool_is_not_changed(delegations: Delegations | None) -> None:
    with pytest.raises(RepositoryError, match="edgecl repo init"):
        delegated_roles(Targets(delegations=delegations))


@pytest.mark.parametrize(
    ("role", "paths", "others"),
    [
        ("bb-0123456789ab", ["packs/0123456789ab/leaves-1.ecpack"], ["packs/0123456789ac/leaves-1.ecpack"]),
        ("backbones", ["backbones/0123456789ab/bundle-1.json"], ["packs/0123456789ab/x", "backbones/x"]),
        ("rollout", ["rollout/00"], ["packs/0123456789ab/x", "rollout/a/b"]),
    ],
)
def test_a_role_lists_its_own_paths_only(role: str, paths: list[str], others: list[str]) -> None:
    made = delegation(role)
    assert [made.is_delegated_path(path) for path in [*paths, *others]] == [True] * len(paths) + [
        False
    ] * len(others)
