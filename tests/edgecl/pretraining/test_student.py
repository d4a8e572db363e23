from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, smooth_l1_loss, unfold
from transformers import ViTConfig, ViTModel

from edgecl.pretraining.average import RunningAverage
from edgecl.pretraining.batches import Wanted
from edgecl.pretraining.config import LossConfig, StudentConfig
from edgecl.pretraining.cost import vit_macs
from edgecl.pretraining.loss import student_loss
from edgecl.pretraining.student import Outputs, Student, as_input, start_whitened, vit_config
from tests.edgecl.pretraining.factories import make_pixels, random_images

TINY = StudentConfig(image_size=16, patch_size=4, width=16, blocks=2, heads=2)


ALL = LossConfig(labels=1, pooled=1, tokens=1)


def make_student(*, teacher_width: int | None = 5, loss: LossConfig = ALL) -> Student:
    torch.manual_seed(0)
    return Student(TINY, classes=3, teacher_width=teacher_width, loss=loss).eval()


def test_with_all_patches_features_are_those_of_the_model() -> None:
    student, images = make_student(), random_images()
    model: ViTModel = student.backbone
    torch.testing.assert_close(student.features(images), model(images).last_hidden_state)


def test_with_every_patch_kept_in_its_order_nothing_changes() -> None:
    student, images = make_student(), random_images()
    torch.testing.assert_close(student(images, torch.arange(16).expand(2, 16)).pooled, student(images).pooled)


def test_a_dropped_patch_is_not_seen() -> None:
    student, images = make_student(), random_images()
    hidden = images.clone()
    hidden[:, :, :4, :4] = 0
    kept = torch.arange(1, 16).expand(2, 15)
    assert torch.equal(student(images, kept).scores, student(hidden, kept).scores)
    assert not torch.equal(student(images).scores, student(hidden).scores)


def test_outputs_have_the_width_of_the_teacher() -> None:
    outputs = make_student(teacher_width=7)(random_images(), torch.zeros(2, 3, dtype=torch.long))
    assert outputs.pooled.shape == (2, 7)
    assert outputs.tokens.shape == (2, 3, 7)


def test_without_a_teacher_there_are_scores_only() -> None:
    outputs = make_student(teacher_width=None)(random_images())
    assert outputs.scores.shape == (2, 3)
    assert (outputs.pooled, outputs.tokens) == (None, None)


@pytest.mark.parametrize(("pooled", "tokens"), [(1, 0), (0, 1)])
def test_what_is_not_learned_is_not_projected(pooled: float, tokens: float) -> None:
    outputs = make_student(loss=LossConfig(pooled=pooled, tokens=tokens))(random_images())
    assert (outputs.pooled is None, outputs.tokens is None) == (not pooled, not tokens)


@pytest.mark.parametrize("labels", [1, 0])
def test_a_classifier_that_looks_on_does_not_move_the_backbone(labels: float) -> None:
    student = make_student(loss=LossConfig(labels=labels, pooled=1, tokens=1))
    student(random_images()).scores.sum().backward()
    assert (student.backbone.embeddings.cls_token.grad is not None) == bool(labels)
    assert student.classifier.weight.grad is not None


def test_the_start_is_the_same_for_the_same_random_numbers() -> None:
    one, other = make_student().state_dict(), make_student().state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_patches_start_whitened() -> None:
    student, pixels = make_student(), make_pixels(300)
    start_whitened(student.backbone, pixels)
    inputs = as_input(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
    patches = unfold(inputs, 4, stride=4).transpose(1, 2).flatten(end_dim=1)
    embeddings: Any = student.backbone.embeddings
    embedded = embeddings.patch_embeddings(inputs).flatten(end_dim=1)
    assert embedded.mean(dim=0).abs().max() < 0.01
    spread = torch.linalg.eigvalsh(embedded.T.cov())
    assert spread.max() < 0.1
    assert torch.linalg.eigvalsh(patches.T.cov()).max() > 1


def averaged(values: Iterable[float], *, decay: float) -> float:
    """Return the running average of a weight that takes these values one after another."""
    model = torch.nn.Linear(1, 1, bias=False)
    average = RunningAverage(model, decay)
    weight: Any = average.module.weight
    for value in values:
        torch.nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    return float(weight.detach())


def test_the_average_starts_fast() -> None:
    early = 2 / 11 * 1.0 + 9 / 11 * 2.0
    assert averaged([1.0, 2.0, 5.0], decay=0.9) == pytest.approx(3 / 12 * early + 9 / 12 * 5.0)


def test_the_average_is_never_slower_than_its_decay() -> None:
    assert averaged([1.0, 2.0, 5.0], decay=0.1) == pytest.approx(0.1 * (0.1 * 1.0 + 0.9 * 2.0) + 0.9 * 5.0)
    assert averaged([0.0] * 100 + [1.0], decay=0.9) == pytest.approx(0.1)


def test_of_the_start_nothing_is_left_in_the_average_of_a_short_run() -> None:
    assert averaged([1.0] + [0.0] * 390, decay=0.998) < 1e-12


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    random = torch.Generator().manual_seed(0)
    outputs = Outputs(*(torch.randn(shape, generator=random) for shape in ((2, 3), (2, 5), (2, 4, 5))))
    wanted = Wanted(torch.eye(3)[:2], torch.zeros(2, 5), torch.ones(2, 4, 5))
    loss = student_loss(outputs, wanted, LossConfig(labels=2.0, label_smoothing=0.2, pooled=3.0, tokens=4.0))
    assert outputs.pooled is not None
    assert outputs.tokens is not None
    expected = 2 * cross_entropy(outputs.scores, torch.tensor([0, 1]), label_smoothing=0.2)
    expected += 3 * smooth_l1_loss(outputs.pooled, torch.zeros(2, 5))
    expected += 4 * smooth_l1_loss(outputs.tokens, torch.ones(2, 4, 5))
    torch.testing.assert_close(loss, expected)


def test_the_classifier_learns_also_where_labels_weigh_nothing() -> None:
    outputs = Outputs(torch.zeros(2, 3), None, None)
    loss = student_loss(outputs, Wanted(torch.eye(3)[:2], None, None), LossConfig(labels=0.0))
    assert loss.item() == pytest.approx(1.0986, abs=1e-4)


def test_operations_of_vit_tiny_are_those_counted_by_hand() -> None:
    tiny = ViTConfig(
        hidden_size=192, num_hidden_layers=12, intermediate_size=768, image_size=224, patch_size=16
    )
    block = 4 * 197 * 192**2 + 2 * 197**2 * 192 + 2 * 197 * 192 * 768
    assert vit_macs(tiny) == 196 * 16 * 16 * 3 * 192 + 12 * block == 1_253_491_200


def test_operations_grow_with_the_student() -> None:
    assert vit_macs(vit_config(TINY)) < vit_macs(vit_config(StudentConfig()))


def test_only_squares_are_counted() -> None:
    with pytest.raises(ValueError, match="only squares"):
        vit_macs(ViTConfig(image_size=[32, 64]))
