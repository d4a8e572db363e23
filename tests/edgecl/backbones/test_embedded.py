from __future__ import annotations

from pathlib import Path

import pytest

from edgecl.backbones import embedded
from edgecl.errors import BackboneError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that embeds two backbones, and a file that is none."""
    for name in ("vit-64", "tiny"):
        (tmp_path / "weights" / name).mkdir(parents=True)
    (tmp_path / "weights" / "README.md").touch()
    monkeypatch.setattr(embedded, "files", lambda _: tmp_path)
    return tmp_path


@pytest.mark.usefixtures("package")
def test_the_folders_are_the_names() -> None:
    assert embedded.names() == ("edgecl/tiny", "edgecl/vit-64")


def test_a_name_gives_its_folder(package: Path) -> None:
    with embedded.folder_of("edgecl/tiny") as folder:
        assert folder == package / "weights" / "tiny"


@pytest.mark.usefixtures("package")
def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(BackboneError, match="edgecl/huge: .*there are: edgecl/tiny, edgecl/vit-64"):
        embedded.folder_of("edgecl/huge")


def test_a_package_without_weights_embeds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "files", lambda _: tmp_path)
    assert embedded.names() == ()
