from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecl.backbones.huggingface import Backbone, load_backbone
from edgecl.training.features import BATCH, features, predictions
from edgecl_runtime.tensors import TaskTensors, expected_shapes
from tests.edgecl.factories import DIMENSIONS, make_image_folder

IMAGES = [np.full((32, 32, 3), shade, np.uint8) for shade in range(BATCH + 6)]


@pytest.fixture
def backbone(tmp_path: Path) -> Backbone:
    return load_backbone(str(make_image_folder(tmp_path)))


def make_tensors(*, scale: float = 0.3) -> TaskTensors:
    random = np.random.default_rng(0)
    shapes = expected_shapes(DIMENSIONS, prefix_length=3, rank=2, classes=2)
    return TaskTensors(
        **{name: random.normal(0, scale, shape).astype(np.float32) for name, shape in shapes.items()}
    )


def test_every_item_has_its_feature_whatever_the_size_of_the_batches(backbone: Backbone) -> None:
    found = features(backbone.module, IMAGES, preprocessor=backbone.preprocessor, task=None)
    alone = features(backbone.module, IMAGES[-1:], preprocessor=backbone.preprocessor, task=None)
    assert found.shape == (BATCH + 6, 64)
    np.testing.assert_allclose(found[-1:], alone, rtol=0, atol=1e-5)


def test_a_task_changes_the_features(backbone: Backbone) -> None:
    bare, own = (
        features(backbone.module, IMAGES[:2], preprocessor=backbone.preprocessor, task=task)
        for task in (None, make_tensors())
    )
    assert np.abs(own - bare).max() > 0.1


def test_features_have_the_precision_of_the_backbone(backbone: Backbone) -> None:
    found = features(
        backbone.module.double(), IMAGES[:2], preprocessor=backbone.preprocessor, task=make_tensors()
    )
    assert found.dtype == np.float64


@pytest.mark.parametrize("favoured", [0, 1])
def test_the_class_of_the_highest_score_is_predicted(backbone: Backbone, favoured: int) -> None:
    tensors = make_tensors(scale=0.0)
    tensors.head_bias[favoured] = 1.0
    found = predictions(backbone.module, IMAGES[:4], preprocessor=backbone.preprocessor, task=tensors)
    assert found.tolist() == [favoured] * 4
