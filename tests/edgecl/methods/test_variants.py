"""Variants of a method: a key reaches what it names, is trained and stored, and is refused where it means nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from edgecl.config import GeneratorConfig, MethodConfig, RunConfig, resolve
from edgecl.errors import ConfigError
from edgecl.generators import (
    BoundedRows,
    GrowingGenerator,
    IntervalConfig,
    IntervalGenerator,
    Network,
    RecurrentConfig,
    RecurrentGenerator,
    prefix_plan,
)
from edgecl.methods import build_method
from edgecl.methods.adaprefix import AdaPrefix
from edgecl.methods.adaprefix_pp import AdaPrefixPP
from edgecl.methods.networks import build_network
from edgecl.modules import PrefixNet
from edgecl.training.run import Run
from edgecl.training.train import add_tasks, train_stream
from tests.edgecl.factories import (
    DIMENSIONS,
    Recorder,
    changed,
    learn,
    make_config,
    make_image_data,
    make_image_folder,
    make_new_task,
    make_settings,
    make_spec,
)
from tests.edgecl.training.test_resume import PowerCutError, Stopper, assert_same_tensors

GENERATORS: dict[str, dict[str, Any]] = {
    "freeze_recurrent": {"architecture": "recurrent", "recurrent_mode": "freeze_recurrent"},
    "grow": {"architecture": "recurrent", "recurrent_mode": "grow"},
    "learned_state": {"architecture": "recurrent", "recurrent_learned_state": True},
    "nested": {"architecture": "interval", "interval_nested": True, "interval_epsilon": 2.0},
    "bounds": {"architecture": "interval", "interval_drift": "bounds"},
    "flat": {"layout": "flat"},
    "random": {"layer_embedding": "random"},
    "regenerated": {"drift_targets": "regenerated", "layer_embedding": "always"},
}
METHODS: dict[str, dict[str, Any]] = {
    "additive": {"name": "adaprefix++", "attention": "additive"},
    "net": {"name": "adaprefix", "prefix_hidden": 20},
    "additive net": {"name": "adaprefix", "prefix_hidden": 20, "attention": "additive"},
    "shared net": {"name": "shared", "prefix_hidden": 20},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny backbone and the data of two tasks."""
    folder = tmp_path_factory.mktemp("variants")
    make_image_folder(folder / "vit")
    make_image_data(folder / "first.npz")
    make_image_data(folder / "second.npz", classes=2, seed=1)
    return folder


def settings(folder: Path, variant: str) -> RunConfig:
    method, generator = METHODS.get(variant, {"name": "adaprefix++"}), GENERATORS.get(variant, {})
    return changed(make_config(folder / "vit"), method=method, generator=generator)


def train_whole(config: RunConfig, folder: Path, run: Path) -> Run:
    tasks = [make_spec(folder / f"{name}.npz", name=name) for name in ("first", "second")]
    return train_stream(config, tasks, run, report=Recorder())


def train_in_parts(config: RunConfig, folder: Path, run: Path) -> Run:
    """Train a task, and another one later that is interrupted after its first epoch."""
    second = make_spec(folder / "second.npz", name="second")
    train_stream(config, [make_spec(folder / "first.npz", name="first")], run, report=Recorder())
    with pytest.raises(PowerCutError):
        add_tasks(run, [second], report=Stopper())
    return add_tasks(run, [second], report=Recorder())


def build(**generator: Any) -> Network:
    plan = prefix_plan(DIMENSIONS, length=3)
    random = torch.Generator().manual_seed(0)
    return build_network(GeneratorConfig(**generator), DIMENSIONS, plan, random=random)


def make_method(**generator: Any) -> AdaPrefixPP:
    return AdaPrefixPP(make_settings("adaprefix++", **generator), DIMENSIONS)


@pytest.mark.parametrize("variant", [*GENERATORS, *METHODS])
def test_a_run_that_was_stored_and_interrupted_ends_as_one_that_was_not(
    folder: Path, tmp_path: Path, variant: str
) -> None:
    config = settings(folder, variant)
    whole = train_whole(config, folder, tmp_path / "whole")
    parts = train_in_parts(config, folder, tmp_path / "parts")
    assert_same_tensors(parts, whole, "first")
    assert_same_tensors(parts, whole, "second")


@pytest.mark.parametrize("mode", ["regularised", "freeze_recurrent"])
@pytest.mark.parametrize("is_learned", [False, True])
def test_the_recurrent_network_is_the_one_of_the_settings(mode: Any, is_learned: bool) -> None:
    network = build(architecture="recurrent", recurrent_mode=mode, recurrent_learned_state=is_learned)
    assert isinstance(network, RecurrentGenerator)
    assert network.config == RecurrentConfig(mode=mode, learned_state=is_learned)


def test_the_recurrent_network_grows_where_the_settings_say() -> None:
    network = build(architecture="recurrent", recurrent_mode="grow", recurrent_learned_state=True)
    assert isinstance(network, GrowingGenerator)
    assert network.shared.config.learned_state


def test_the_interval_network_is_the_one_of_the_settings() -> None:
    network = build(
        architecture="interval", interval_epsilon=2.0, interval_nested=True, layer_embedding="always"
    )
    assert isinstance(network, IntervalGenerator)
    assert network.config == IntervalConfig(epsilon=2.0, nested=True, layer_embedding="always")


def test_a_growing_network_forgets_nothing_without_a_drift_loss() -> None:
    method = make_method(**GENERATORS["grow"], drift_weight=0.0)
    shipped = learn(method, make_new_task("first")).materialize()
    assert shipped is not None
    learn(method, make_new_task("second"))
    assert (method.current("first", shipped).prefix_k == shipped.prefix_k).all()


def test_a_network_in_which_nothing_is_trained_has_no_drift_loss() -> None:
    method = make_method(**GENERATORS["grow"])
    learn(method, make_new_task("first"))
    learner = method.begin_task(make_new_task("second"))
    assert learner.penalty(torch.optim.AdamW([learner.embedding]), 0) is None


def drift_of_bounds(**generator: Any) -> float:
    """Return the mean square by which the bounds of a task moved while a second one was learned."""
    method = make_method(architecture="interval", **generator)
    first = learn(method, make_new_task("first"))
    bounds = BoundedRows(first.network)  # type: ignore[attr-defined]  # of this method's learner
    box = method.state()["embedding.first"][None]
    before = bounds(box).detach()
    learn(method, make_new_task("second"), steps=20)
    return float((bounds(box).detach() - before).square().mean())


def test_the_drift_loss_of_bounds_keeps_the_bounds() -> None:
    assert drift_of_bounds(interval_drift="bounds") < 0.1 * drift_of_bounds(drift_weight=0.0)


def test_bounds_that_are_kept_are_those_of_the_task_when_it_ended() -> None:
    method = make_method(**GENERATORS["bounds"])
    first = learn(method, make_new_task("first"))
    box = method.state()["embedding.first"][None]
    with torch.no_grad():  # as they are kept: with gradients, processors may add in another order
        (expected,) = BoundedRows(first.network)(box)  # type: ignore[attr-defined]  # of this method's learner
    learn(method, make_new_task("second"))
    assert torch.equal(method.state()["bounds.first"], expected)


@pytest.mark.parametrize(
    ("key", "value", "beside"),
    [
        ("task_embedding", "vector", {"architecture": "recurrent"}),
        ("task_embedding", "vector", {"architecture": "interval"}),
        ("layer_embedding", "always", {"architecture": "recurrent"}),
        ("recurrent_mode", "grow", {"architecture": "rowwise"}),
        ("recurrent_mode", "freeze_recurrent", {"architecture": "interval"}),
        ("recurrent_learned_state", True, {"architecture": "rowwise"}),
        ("interval_epsilon", 2.0, {"architecture": "rowwise"}),
        ("interval_nested", True, {"architecture": "recurrent"}),
        ("interval_drift", "bounds", {"architecture": "recurrent"}),
        ("layout", "flat", {"generates": "adapter"}),
        ("guidance_from", "permuted", {"guidance": "none"}),
        ("guidance_weight", 0.5, {"guidance": "none"}),
        ("guidance_fade", False, {"guidance": "none"}),
    ],
)
def test_a_key_that_means_nothing_is_refused_with_the_other_one(
    key: str, value: object, beside: dict[str, str]
) -> None:
    ((other, found),) = beside.items()
    with pytest.raises(ConfigError, match=rf"generator\.{key}: .* beside generator\.{other}={found}"):
        make_method(**{key: value}, **beside)


def test_a_net_makes_the_prefixes_of_a_task_where_the_settings_say() -> None:
    learner = AdaPrefix(changed(make_settings(), method={"prefix_hidden": 20}), DIMENSIONS).begin_task(
        make_new_task()
    )
    assert isinstance(learner.prefix, PrefixNet)
    assert learner.prefix.input.out_features == 20
    learner.materialize().check(DIMENSIONS, classes=2)


def test_tasks_whose_prefixes_a_net_makes_start_from_the_identity() -> None:
    settings = RunConfig(method=MethodConfig(prefix_hidden=20))
    assert resolve(settings, "image").transfer.start == "identity"


@pytest.mark.parametrize(
    ("name", "length", "generates"),
    [("lora", 3, "prefix"), ("adaprefix++", 3, "prefix"), ("adaprefix", 0, "prefix")],
)
def test_a_net_without_prefixes_of_a_task_is_refused(name: str, length: int, generates: str) -> None:
    method = {"prefix_hidden": 20, "prefix_length": length}
    with pytest.raises(
        ConfigError, match=rf"method\.prefix_hidden: found 20 beside method\.name={re.escape(name)}"
    ):
        build_method(changed(make_settings(name, generates=generates), method=method), DIMENSIONS)


def test_a_net_can_make_prefixes_beside_generated_adapters() -> None:
    config = changed(make_settings("adaprefix++", generates="adapter"), method={"prefix_hidden": 20})
    tensors = learn(build_method(config, DIMENSIONS), make_new_task()).materialize()
    assert tensors is not None
    tensors.check(DIMENSIONS, classes=2)


def test_a_net_cannot_start_from_the_prefixes_of_an_earlier_task() -> None:
    config = changed(make_settings(), method={"prefix_hidden": 20}, transfer={"start": "average"})
    with pytest.raises(
        ConfigError, match=r"transfer\.start: found 'average' beside method\.prefix_hidden=20"
    ):
        build_method(config, DIMENSIONS)
