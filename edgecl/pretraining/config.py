"""Settings of a pretraining: one frozen struct per stage; the recipes that ship are files in `configs`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from edgecl.config import AtLeastOne, Fraction
from edgecl.errors import ConfigError
from edgecl.settings import build_settings, read_toml
from edgecl.shipped import shipped_names, shipped_text

LARGEST = 1e30
"""No setting is meant to be larger; what is infinite could not be stored as JSON."""

LARGEST_SEED = 2**63 - 1
LARGEST_IMAGE = 4096

Weight = Annotated[float, Meta(ge=0, le=LARGEST)]
Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
Seed = Annotated[int, Meta(ge=0, le=LARGEST_SEED)]
Side = Annotated[int, Meta(ge=1, le=LARGEST_IMAGE)]
Share = Annotated[float, Meta(gt=0, le=1)]

_SUFFIX = ".toml"
_CONFIGS = "edgecl.pretraining.configs"


class StudentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The architecture that is trained: a plain ViT with a class token.

    Attributes:
        image_size: Side of the input in pixels, a multiple of `patch_size`.
        patch_size: Side of a patch in pixels.
        width: Numbers per token, a multiple of `heads` and of 4.
        blocks: How many.
        heads: Of the attention.
        feed_forward: Width of the feed-forward nets, in widths.
    """

    image_size: Side = 64
    patch_size: AtLeastOne = 8
    width: AtLeastOne = 192
    blocks: AtLeastOne = 6
    heads: AtLeastOne = 3
    feed_forward: AtLeastOne = 4

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}")
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width {self.width} is no multiple of heads ({self.heads}) and of 4")

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch_size


class TeacherConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The frozen backbone whose features the student learns.

    Attributes:
        source: Embedded name, local folder or hub name; none if the student learns labels only.
        image_size: Side of its input in pixels; the checkpoint's own if absent.
    """

    source: str | None = None
    image_size: Side | None = None


class LossConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is learned: the sum of these, each by its weight.

    Attributes:
        labels: Cross-entropy with the labels. At 0 a classifier is trained beside the student, which does not feel it.
        label_smoothing: Part of a label that is spread over all classes.
        pooled: Smooth L1 between the projected class token and the teacher's, standardised.
        tokens: The same for the patch tokens, the teacher's resampled to the student's grid.
    """

    labels: Weight = 1.0
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    pooled: Weight = 0.0
    tokens: Weight = 0.0

    @property
    def needs_teacher(self) -> bool:
        """Whether features are learned."""
        return self.pooled > 0 or self.tokens > 0


class AugmentationConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What an image goes through each time it is seen; at 0, or `least_area` 1, each of these leaves it as it is.

    Attributes:
        crop: Part of the images that are cropped at random and enlarged.
        least_area: Least part of the image that a crop keeps.
        mirror: Part of the images that are mirrored.
        trivial: Part of the images that TrivialAugment (its wide ranges) changes by one operation.
        erase: Part of the images of which a rectangle gets one random colour.
        mixup: Part of the images that are blended with another.
        cutmix: Part of the images into which a rectangle of another is pasted.
    """

    crop: Fraction = 1.0
    least_area: Share = 0.35
    mirror: Fraction = 0.5
    trivial: Fraction = 1.0
    erase: Fraction = 0.25
    mixup: Fraction = 0.5
    cutmix: Fraction = 0.5

    def __post_init__(self) -> None:
        if self.mixup + self.cutmix > 1:
            raise ValueError(f"mixup {self.mixup} and cutmix {self.cutmix} are more than 1 together")


class OptimisationConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the student is optimised (AdamW, warm-up, cosine to zero, average of the weights).

    Attributes:
        epochs: Passes over the training images.
        minutes: Wall time after which training ends, instead of `epochs`; rate and patches follow the clock then.
        batch_size: Images per step.
        learning_rate: The highest.
        weight_decay: Decoupled, on matrices only.
        warmup_fraction: Part of the training in which the rate rises from zero.
        clip_norm: Largest norm of the gradient.
        average_decay: Of the running average of the weights, which is what is kept in the end; less at first.
        kept_patches: Part of the patches that the student sees of an image, drawn anew each time.
        all_patches_from: Part of the training after which it sees all.
        precision: `fp32`, `bf16` (autocast), or `auto`: bf16 on a GPU that has it.
        compile: Compile the student with `torch.compile`.
        device: `auto`, or a torch device such as `cpu` or `cuda:0`.
        round_steps: Steps from one checkpoint and report to the next.
    """

    epochs: Positive = 100.0
    minutes: Positive | None = None
    batch_size: AtLeastOne = 128
    learning_rate: Positive = 1e-3
    weight_decay: Weight = 0.05
    warmup_fraction: Fraction = 0.05
    clip_norm: Positive = 1.0
    average_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.998
    kept_patches: Share = 1.0
    all_patches_from: Fraction = 0.9
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    device: str = "auto"
    round_steps: AtLeastOne = 200


class PretrainingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides the result of a pretraining, but its data.

    Attributes:
        seed: Of the start, of the order of images, and of what happens to each.
    """

    seed: Seed = 0
    student: StudentConfig = StudentConfig()
    teacher: TeacherConfig = TeacherConfig()
    loss: LossConfig = LossConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    training: OptimisationConfig = OptimisationConfig()

    def __post_init__(self) -> None:
        if self.loss.needs_teacher and self.teacher.source is None:
            raise ValueError(
                "loss.pooled and loss.tokens need a teacher: name one with --teacher, or set both to 0"
            )
        if self.teacher.source is not None and not self.loss.needs_teacher:
            raise ValueError(
                f"the teacher {self.teacher.source} would not be heard: set loss.pooled or loss.tokens above 0, "
                "or name none"
            )
        if not self.loss.needs_teacher and not self.loss.labels:
            raise ValueError("all weights of the loss are 0: set one of labels, pooled and tokens")


def config_names() -> tuple[str, ...]:
    """Return the names of the settings that ship, sorted."""
    return shipped_names(_CONFIGS)


def read_pretraining_config(name: str, *, overrides: Mapping[str, Any]) -> PretrainingConfig:
    """Return the settings of a shipped name or a TOML file, with single keys overridden.

    Raises:
        ConfigError: No such name or file, an unknown key, or a value of the wrong type or range; names the key.
    """
    return build_settings(
        PretrainingConfig, _tree(name), overrides=overrides, where=name, page="docs/pretraining.md"
    )


def _tree(name: str) -> dict[str, Any]:
    if name in config_names():
        return tomllib.loads(shipped_text(_CONFIGS, name))
    if not name.endswith(_SUFFIX):
        raise ConfigError.at(
            "CONFIG",
            found=repr(name),
            expected=f"{', '.join(config_names())}, or a file ending in {_SUFFIX}",
            fix="Choose one of these, or copy one into a file of your own.",
        )
    return read_toml(Path(name))
