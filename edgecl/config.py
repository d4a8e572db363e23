"""Configuration of a run: one frozen struct per stage, its defaults the recipe that measured best."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edgecl.arms import read_arm
from edgecl.errors import ConfigError
from edgecl.kinds import AttentionVariant, Modality, Pooling
from edgecl.settings import build_settings, read_toml
from edgecl.settings import known_keys as setting_keys

AtLeastOne = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]

Start = Literal["identity", "gated", "average"]
FirstPrefix = Literal["fixed", "trained"]

LEARNING_RATE = 5e-3
LEAST_GAIN = 3.0
"""Percent points; of what a gate sees before training, half at best is left after it."""

PREFIX_LENGTH: dict[Modality, int] = {"image": 10, "text": 4}
WEIGHT_DECAY: dict[Modality, float] = {"image": 0.0, "text": 3.0}

MEASURED_ONLY = frozenset({"lora", "shared"})
"""Methods whose tasks become no packs, as each of them says by `ships`; known here without loading any of them."""

PAGE = "docs/training.md"
"""Lists all keys."""

OF_THE_DRIFT_LOSS = ("drift", "drift_targets", "drift_tasks", "lookahead", "interval_drift")
OF_PREFIXES = ("attention", "first_prefix")
SIZE_OF: dict[Modality, str] = {"image": "image_size", "text": "max_tokens"}
"""The setting of the backbone that inputs of this kind alone have."""


class BackboneConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which backbone, and how it reads its inputs.

    Attributes:
        source: Embedded name, local folder or hub name.
        image_size: Side of the input in pixels; the checkpoint's own if absent.
        max_tokens: Longest text in tokens; at most 128 if absent.
        pooling: `cls` or `mean`; what the checkpoint declares if absent.
    """

    source: str = "edgecl/vit-64"
    image_size: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    pooling: Pooling | None = None


class MethodConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a task is learned.

    Attributes:
        name: The method.
        rank: Width R of the adapters (of LoRA, its rank r); 0 for none.
        prefix_length: Prefixes P per block; 0 for none; 10 for images and 4 for texts if absent.
        prefix_hidden: Hidden units of a net of the task's own that makes its prefixes, started from the identity; 0 for
            prefixes that are parameters themselves.
        attention: `concat` puts prefixes before keys and values; `additive` adds an attention over them.
        first_prefix: Prefixes of the first block: `trained`, or `fixed` at their start, so that the backward pass ends
            at the adapter of that block. If absent `fixed` beside adapters, else `trained`.
        jointly: Train all tasks of the stream at once instead of one after another, to hold the others against.
        alone: Train each task as if it were the first: what forward transfer is measured against.
    """

    name: str = "adaprefix"
    rank: NotNegative = 16
    prefix_length: NotNegative | None = None
    prefix_hidden: NotNegative = 0
    attention: AttentionVariant = "concat"
    first_prefix: FirstPrefix | None = None
    jointly: bool = False
    alone: bool = False


class GeneratorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The hypernetwork of AdaPrefix++ that all tasks share; other methods have none.

    Attributes:
        architecture: `rowwise` (a two-layer net for each row), `recurrent` (an LSTM over the blocks), or `interval`
            (experimental).
        generates: `prefix`, or `adapter`; the other one is the task's own.
        task_embedding: `row`, one vector per row and task as published, or `vector`, one per task.
        layer_embedding: Trained in the `first_task` and frozen then, `always` trained, or never: `onehot`, or as drawn
            (`random`).
        recurrent_mode: `regularised`: all of the recurrent network is trained in every task; `freeze_recurrent`: the
            weights from state to state in the first one only, as published; `grow`: all that tasks share in the first
            one only, beside input weights and a change of the output layer of each task's own.
        recurrent_learned_state: Start the LSTM from a projection of the task's embedding instead of zero.
        interval_epsilon: Sum of the radii of a task's box.
        interval_nested: Keep all boxes so close to zero that they have points in common.
        interval_drift: What the drift loss keeps of a box: its `centre`, which ships, or its `bounds` as published.
        layout: How rows become heads: `canonical`, or `flat` as in the published code.
        start: `small` prefixes (deviation 0.02), or the `default` of PyTorch's layers.
        drift: Form of the loss that keeps what was generated for earlier tasks: `ms`, `rel`, `sq` or `frob`.
        drift_weight: Its weight; 0 to let earlier prefixes drift.
        drift_targets: What it compares with: what was `stored` when a task ended, or, as published, what the network as
            the last task left it makes with the current layer embedding (`regenerated`).
        drift_tasks: Earlier tasks that are drawn for it at each step.
        lookahead: Measure the drift where the next step would lead.
        guidance: `none`, or how measured similarity guides a task embedding: `distance`, `decoder`, `paper`.
        guidance_from: Similarity that guides: `h_lwc`, or for ablations that of `permuted` labels, or the measured one
            dealt out at `random`; all where that of the labels as they are could be relied on. `h_raw` as published,
            whether or not it could.
        guidance_normalization: Scores become distances `relative` to the other tasks and the noise, by `ahp_ratio` as
            published, or by `ahp_winrate`, a tournament over subsamples.
        guidance_weight: Weight of the guidance per known task, at most 1 in all.
        guidance_fade: Let it fade over the second half of a task; as published it stays the same.
    """

    architecture: Literal["rowwise", "recurrent", "interval"] = "rowwise"
    generates: Literal["prefix", "adapter"] = "prefix"
    task_embedding: Literal["row", "vector"] = "row"
    layer_embedding: Literal["first_task", "always", "onehot", "random"] = "first_task"
    recurrent_mode: Literal["regularised", "freeze_recurrent", "grow"] = "regularised"
    recurrent_learned_state: bool = False
    interval_epsilon: Positive = 1.0
    interval_nested: bool = False
    interval_drift: Literal["centre", "bounds"] = "centre"
    layout: Literal["canonical", "flat"] = "canonical"
    start: Literal["small", "default"] = "small"
    drift: Literal["ms", "rel", "sq", "frob"] = "ms"
    drift_weight: Annotated[float, Meta(ge=0)] = 1000.0
    drift_targets: Literal["stored", "regenerated"] = "stored"
    drift_tasks: AtLeastOne = 16
    lookahead: bool = True
    guidance: Literal["none", "distance", "decoder", "paper"] = "none"
    guidance_from: Literal["h_lwc", "h_raw", "permuted", "random"] = "h_lwc"
    guidance_normalization: Literal["relative", "ahp_ratio", "ahp_winrate"] = "relative"
    guidance_weight: Annotated[float, Meta(ge=0)] = 0.05
    guidance_fade: bool = True


class TransferConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the modules of a new task start.

    Attributes:
        start: `identity`, `average` (always the running average of the latest tasks), or `gated` (earlier modules where
            they are measurably better for the new items). If absent `gated` for AdaPrefix, `identity` for other
            methods, for heads alone, and for tasks that learn alone or jointly.
        proposal: What the gate is asked about: the running `average`, a `mixture` of earlier tasks by how near they
            are, or each of the `candidates` (`tasks`).
        average_rate: How far the average moves to each task; 1.0 is the task before alone.
        evidence: What decides on the average or the mixture: gains of the whole `stream` so far, or of the new `task`
            alone. On single tasks the new one decides alone.
        chooser: How a proposal is compared with the identity: accuracy of LDA in `folds`, or the score `h_lwc`. For
            ablations that accuracy on `permuted` labels, or a `random` draw that lets half of the tasks start.
        margin: Paired standard errors by which a proposal must beat the identity.
        least_gain: Percent points by which it must beat the identity besides; 3 if absent, and that of its folder in a
            run that goes on.
        prefer: Among earlier tasks that are alike by a standard error: the `newest`, or always the `best`.
        candidates: Earlier tasks that are tried, the most similar ones.
        learning_rate_factor: On the rate of modules that start from an earlier task.
    """

    start: Start | None = None
    proposal: Literal["average", "mixture", "tasks"] = "average"
    average_rate: Annotated[float, Meta(gt=0, le=1)] = 0.5
    evidence: Literal["stream", "task"] = "stream"
    chooser: Literal["folds", "h_lwc", "permuted", "random"] = "folds"
    margin: Annotated[float, Meta(ge=0)] = 1.0
    least_gain: Annotated[float, Meta(ge=0)] | None = None
    prefer: Literal["best", "newest"] = "newest"
    candidates: AtLeastOne = 16
    learning_rate_factor: Positive = 1.0


class EvaluationConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is measured while a stream is trained, besides each task's own test items.

    Attributes:
        matrix: Test every earlier task again after each task (`full`), after the last one (`last`), or `none`.
        floors: Measure what frozen features reach without training.
        class_incremental: Measure after the last task what is reached without being told the task.
    """

    matrix: Literal["none", "last", "full"] = "last"
    floors: bool = True
    class_incremental: bool = False


class TrainingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the parameters of a task are optimised (AdamW, warm-up, cosine).

    Attributes:
        epochs: Passes over the training items; more where `min_steps` asks for it.
        min_steps: Least number of optimisation steps per task.
        batch_size: Items per step.
        learning_rate: Of adapters and prefixes; 5e-3 if absent, and that of its folder in a run that goes on.
        head_learning_rate: Of the head.
        head_start: `zero` on centred and scaled features, or the `default` of PyTorch's layers on features as they are.
        double_softmax: Take the cross-entropy of the softmax of the scores instead of the scores, as published.
        warmup_fraction: Part of all steps in which the rate rises from zero.
        final_fraction: The cosine ends at this fraction of the rate.
        weight_decay: Decoupled, on the modules and the head of the task; nothing that generates modules decays. 0 for
            images and 3 for texts if absent, and that of its folder in a run that goes on.
        clip_norm: Largest norm of the gradient of all trained parameters.
        precision: `fp32`, `bf16` (autocast), or `auto`: bf16 on a GPU that has it.
        device: `auto`, or a torch device such as `cpu` or `cuda:0`.
        heldout_items: Test items kept in the run, for the parity gate of later exports.
        validation_fraction: Part of the training items that is held back to choose the best epoch; 0 for none.
        patience: Epochs without a better one on the validation items after which training stops.
    """

    epochs: AtLeastOne = 5
    min_steps: NotNegative = 60
    batch_size: AtLeastOne = 32
    learning_rate: Positive | None = None
    head_learning_rate: Positive = 5e-3
    head_start: Literal["zero", "default"] = "zero"
    double_softmax: bool = False
    warmup_fraction: Fraction = 0.05
    final_fraction: Fraction = 0.1
    weight_decay: Annotated[float, Meta(ge=0)] | None = None
    clip_norm: Positive = 1.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = "auto"
    heldout_items: AtLeastOne = 64
    validation_fraction: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    patience: AtLeastOne | None = None


class RunConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides the result of a run, but its data.

    Attributes:
        seed: Of splits, starts and the order of batches.
    """

    seed: NotNegative = 0
    backbone: BackboneConfig = BackboneConfig()
    method: MethodConfig = MethodConfig()
    generator: GeneratorConfig = GeneratorConfig()
    transfer: TransferConfig = TransferConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


BEFORE = RunConfig(
    method=MethodConfig(first_prefix="trained"), transfer=TransferConfig(start="identity", least_gain=0.0)
)
"""What a run did whose record does not name it, as there was no other way or default then."""

KEPT_BY_A_RUN = {
    "method": ("first_prefix",),
    "training": ("learning_rate", "weight_decay"),
    "transfer": ("start", "least_gain"),
}
"""Settings whose default may be another one in a later version: a run that goes on keeps those of its folder."""

TABLES = tuple(name for name in RunConfig.__struct_fields__ if name != "seed")


def resolve(config: RunConfig, modality: Modality) -> RunConfig:
    """Return the configuration with every default that depends on the modality or the method filled in.

    Raises:
        ConfigError: Settings that cannot both be meant, or mean nothing for the modality.
    """
    _refuse_contradictions(config)
    _refuse_other_size(config.backbone, modality)
    method = config.method
    if method.prefix_length is None:
        method = msgspec.structs.replace(method, prefix_length=PREFIX_LENGTH[modality])
    filled = msgspec.structs.replace(config, method=method)
    first_prefix: FirstPrefix = "fixed" if method.rank else "trained"
    defaults = RunConfig(
        method=MethodConfig(first_prefix=first_prefix),
        training=TrainingConfig(learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY[modality]),
        transfer=TransferConfig(start=_default_start(method), least_gain=LEAST_GAIN),
    )
    return filled_in(filled, defaults)


def filled_in(config: RunConfig, other: RunConfig) -> RunConfig:
    """Return the configuration with those settings of another that it does not name, of `KEPT_BY_A_RUN`."""
    tables = {}
    for table, keys in KEPT_BY_A_RUN.items():
        own, others = getattr(config, table), getattr(other, table)
        missing = {key: getattr(others, key) for key in keys if getattr(own, key) is None}
        tables[table] = msgspec.structs.replace(own, **missing)
    return msgspec.structs.replace(config, **tables)


def _refuse_contradictions(config: RunConfig) -> None:
    if config.method.jointly and config.method.alone:
        raise ConfigError.at(
            "method.alone",
            found="true, with method.jointly=true",
            expected="one of the two: all tasks at once, or each as if it were the first",
            fix="Leave one of them out.",
        )
    if config.training.patience is not None and not config.training.validation_fraction:
        raise ConfigError.at(
            "training.patience",
            found=f"{config.training.patience}, with training.validation_fraction=0",
            expected="items that are held back, on which a better epoch can be seen",
            fix="Set training.validation_fraction, such as 0.1.",
        )
    if config.evaluation.class_incremental and config.method.name == "lora":
        raise ConfigError.at(
            "evaluation.class_incremental",
            found="true, with method.name=lora",
            expected="a method that keeps what every task learned, so that all of them can be asked",
            fix="Leave it out: a peer is measured on each task's own items.",
        )


def _refuse_other_size(backbone: BackboneConfig, modality: Modality) -> None:
    """Refuse the size of inputs that the backbone does not read."""
    for other, key in SIZE_OF.items():
        if other != modality and (found := getattr(backbone, key)) is not None:
            raise ConfigError.at(
                f"backbone.{key}",
                found=f"{found}, but {backbone.source} reads {modality}s",
                expected=f"a backbone that reads {other}s",
                fix=f"Leave backbone.{key} out; the size of its inputs is backbone.{SIZE_OF[modality]}.",
            )


def refuse_meaningless(config: RunConfig) -> None:
    """Do nothing if every setting of a new run is heard; a run that was begun with others may go on.

    Raises:
        ConfigError: A key is not at its default and would be passed over.
    """
    method, generator, start = config.method, config.generator, config.transfer.start
    if generator.architecture == "recurrent" and generator.recurrent_mode == "grow":
        _refuse_changed(
            generator,
            (*OF_THE_DRIFT_LOSS, "drift_weight"),
            beside="generator.recurrent_mode=grow",
            expected="a mode in which later tasks train what is shared",
        )
    elif generator.drift_weight == 0:
        weight = "generator.drift_weight"
        _refuse_changed(generator, OF_THE_DRIFT_LOSS, beside=f"{weight}=0", expected=f"a {weight} above 0")
    if method.name == "lora":
        _refuse_changed(method, OF_PREFIXES, beside="method.name=lora", expected="a method that has prefixes")
    elif method.prefix_length == 0:
        length = "method.prefix_length"
        _refuse_changed(method, OF_PREFIXES, beside=f"{length}=0", expected=f"a {length} of 1 or more")
    has_choice = not (method.jointly or method.alone or start in {None, "identity"})
    if has_choice and method.rank == 0 and method.prefix_length == 0:
        raise ConfigError.at(
            "transfer.start",
            found=f"{start!r} beside method.rank=0 and method.prefix_length=0",
            expected="'identity': a head alone takes nothing from earlier tasks",
            fix="Set transfer.start=identity, or train adapters or prefixes.",
        )


def _refuse_changed(
    table: GeneratorConfig | MethodConfig, keys: tuple[str, ...], *, beside: str, expected: str
) -> None:
    """Refuse keys of a table that are not at their defaults, beside a setting that makes them mean nothing."""
    name = "generator" if isinstance(table, GeneratorConfig) else "method"
    default = type(table)()
    for key in keys:
        found, usual = getattr(table, key), getattr(default, key)
        if found != usual:
            raise ConfigError.at(
                f"{name}.{key}",
                found=f"{found!r} beside {beside}",
                expected=expected,
                fix=f"Leave {name}.{key} {'out' if usual is None else f'at {usual!r}'}, or change the other setting.",
            )


def _default_start(method: MethodConfig) -> Start:
    """Return where tasks start: the gate was measured with AdaPrefix; alone or jointly no task is an earlier one."""
    has_modules = method.rank or method.prefix_length
    asks = method.name == "adaprefix" and not (method.alone or method.jointly or method.prefix_hidden)
    return "gated" if asks and has_modules else "identity"


def read_config(path: Path | None, *, overrides: dict[str, Any], arm: str | None = None) -> RunConfig:
    """Return the settings of an arm, changed by those of a TOML file, with single keys overridden.

    Args:
        path: TOML file with the tables of `RunConfig`; None for none.
        overrides: Values by dotted key, such as `{"training.epochs": "3"}`; text is converted to the key's type.
        arm: Name of settings that ship; None for the defaults.

    Raises:
        ConfigError: No such arm, an unreadable file, unknown key, or a value of the wrong type or range; names the key.
    """
    tree: dict[str, Any] = {} if arm is None else tomllib.loads(read_arm(arm))
    for table, value in ({} if path is None else read_toml(path)).items():
        known = tree.get(table)
        tree[table] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
    where = "options" if path is None else str(path)
    return build_settings(RunConfig, tree, overrides=overrides, where=where, page=PAGE)


def known_keys() -> tuple[str, ...]:
    """Return every key of a configuration, dotted."""
    return setting_keys(RunConfig)
