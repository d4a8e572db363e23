from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgecl.errors import BackboneError, ConfigError, RunError
from edgecl.pretraining import teacher as teaching
from edgecl.pretraining.config import TeacherConfig
from edgecl.pretraining.teacher import Teacher, TeacherFeatures, load_teacher, teacher_features
from edgecl.training.workers import Workers
from tests.edgecl.factories import make_folder, make_image_folder
from tests.edgecl.pretraining.factories import make_images

CPU = torch.device("cpu")
IMAGES = make_images(12)


def load(folder: Path, *, image_size: int | None = None) -> Teacher:
    return load_teacher(TeacherConfig(source=str(folder), image_size=image_size))


def features(teacher: Teacher, cache: Path, *, workers: Workers | None = None) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    teacher_features(
        teacher,
        IMAGES,
        cache,
        device=CPU,
        workers=workers or Workers(),
        on_items=lambda done, total: told.append((done, total)),
    )
    return told


def exhausted(features: torch.Tensor) -> TeacherFeatures:
    raise torch.OutOfMemoryError("CUDA out of memory")


def stored(cache: Path) -> Path:
    (path,) = cache.glob("teacher-*/features.npy")
    return path


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Teacher:
    return load(make_image_folder(tmp_path_factory.mktemp("teacher") / "vit"))


def test_features_are_those_of_the_enlarged_images(vit: Teacher, tmp_path: Path) -> None:
    features(vit, tmp_path)
    enlarged = torch.from_numpy(IMAGES.pixels).permute(0, 3, 1, 2) / 255
    enlarged = torch.nn.functional.interpolate(enlarged, size=32, mode="bicubic", antialias=True).clamp(0, 1)
    expected = vit.backbone.module.model(pixel_values=(enlarged - 0.5) / 0.5).last_hidden_state
    found = np.load(stored(tmp_path))
    assert (found.shape, found.dtype) == ((12, 17, 64), np.float16)
    np.testing.assert_allclose(found, expected.half().numpy(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("family", ["deit", "dinov2"])
def test_other_families_teach_a_class_token_and_a_square_of_patches(family: str, tmp_path: Path) -> None:
    features(load(make_folder(tmp_path / "teacher", family)), tmp_path)
    assert np.load(stored(tmp_path)).shape == (12, 17, 64)


def test_the_input_of_a_teacher_has_a_size_of_its_own(tmp_path: Path) -> None:
    features(load(make_image_folder(tmp_path / "vit"), image_size=16), tmp_path)
    assert np.load(stored(tmp_path)).shape == (12, 5, 64)


def test_a_size_that_is_no_multiple_of_the_patches_is_refused_with_the_nearest_that_is(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        ConfigError, match=r"teacher.image_size: found 29, .* multiple of 8, .*--set teacher.image_size=32"
    ):
        load(make_image_folder(tmp_path / "vit"), image_size=29)


def test_features_are_standardised() -> None:
    raw = 5 + 3 * torch.randn(200, 5, 8, generator=torch.Generator().manual_seed(0))
    known = TeacherFeatures(raw.half())
    pooled, maps = known.pooled(torch.arange(200)), known.maps(torch.arange(200))
    assert pooled.mean(dim=0).abs().max() < 1e-2
    assert (pooled.std(dim=0) - 1).abs().max() < 1e-2
    assert maps.shape == (200, 8, 2, 2)
    assert (maps.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-2


def test_while_a_chunk_is_computed_its_progress_is_told(
    vit: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "TOLD", 5)
    assert features(vit, tmp_path) == [(5, 12), (10, 12), (12, 12)]
    assert len(list(stored(tmp_path).parent.glob("*.done"))) == 1


def test_a_device_that_is_too_small_is_told_of_with_the_size(
    vit: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "TeacherFeatures", exhausted)
    with pytest.raises(RunError, match=r"cpu: has no room .* take 2.611e-05 GB. Lower teacher.image_size"):
        features(vit, tmp_path)


def test_finished_chunks_are_not_computed_again(
    vit: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "CHUNK", 5)
    assert features(vit, tmp_path) == [(5, 12), (10, 12), (12, 12)]
    path = stored(tmp_path)
    (path.parent / "000000005.done").unlink()
    marked = np.load(path, mmap_mode="r+")
    marked[:] = 0
    marked.flush()
    features(vit, tmp_path)
    assert np.load(path).any(axis=(1, 2)).tolist() == [False] * 5 + [True] * 5 + [False] * 2


def test_another_teacher_does_not_take_the_features_of_the_first(vit: Teacher, tmp_path: Path) -> None:
    features(vit, tmp_path / "cache")
    features(load(make_image_folder(tmp_path / "other", seed=1)), tmp_path / "cache")
    one, other = (np.load(path) for path in (tmp_path / "cache").glob("teacher-*/features.npy"))
    assert not np.array_equal(one, other)


def test_other_images_do_not_take_the_features_of_the_first(vit: Teacher) -> None:
    assert vit.digest(IMAGES) != vit.digest(make_images(12, seed=1))


def test_processes_compute_a_share_each(
    vit: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "CHUNK", 5)
    monkeypatch.setattr(Workers, "wait", lambda self: None)
    assert features(vit, tmp_path, workers=Workers(0, 2)) == [(5, 12), (12, 12)]
    assert features(vit, tmp_path, workers=Workers(1, 2)) == [(10, 12)]
    assert np.load(stored(tmp_path)).any(axis=(1, 2)).all()


def test_a_new_file_is_filled_anew_whatever_was_marked(vit: Teacher, tmp_path: Path) -> None:
    features(vit, tmp_path)
    path = stored(tmp_path)
    path.unlink()
    features(vit, tmp_path)
    assert np.load(path).any()


@pytest.mark.parametrize("content", [b"", b"junk", b"\x93NUMPY"])
def test_a_damaged_file_is_refused(vit: Teacher, tmp_path: Path, content: bytes) -> None:
    features(vit, tmp_path)
    stored(tmp_path).write_bytes(content)
    with pytest.raises(RunError, match=r"teacher-.*cannot be read .*Delete the folder"):
        features(vit, tmp_path)


def test_a_file_of_another_shape_is_refused(vit: Teacher, tmp_path: Path) -> None:
    features(vit, tmp_path)
    np.save(stored(tmp_path), np.zeros((12, 17, 64), np.float32))
    with pytest.raises(RunError, match=r"cannot be read \(float32 \[12, 17, 64\]\)"):
        features(vit, tmp_path)


def test_a_teacher_for_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="found a backbone for texts, expected one for images"):
        load(make_folder(tmp_path / "bert", "bert"))


def test_a_teacher_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackboneError, match="empty: cannot be read as a transformers checkpoint"):
        load(tmp_path / "empty")
