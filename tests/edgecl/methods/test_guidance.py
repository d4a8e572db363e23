from __future__ import annotations

from typing import Any

import pytest
import torch

from edgecl.errors import ConfigError
from edgecl.methods import NewTask, Relations
from edgecl.methods.adaprefix_pp import AdaPrefixPP, GeneratedTask
from edgecl.methods.guide import EmbeddingGuide
from tests.edgecl.factories import DIMENSIONS, changed, learn, make_new_task, make_settings, trained

MODES = ("distance", "decoder", "paper")
RECURRENT = {"architecture": "recurrent", "task_embedding": "row"}
GROWING = {"architecture": "recurrent", "recurrent_mode": "grow"}


def make_method(mode: str = "distance", **generator: Any) -> AdaPrefixPP:
    """Return a method that has learned three tasks."""
    options = {"guidance": mode, "task_embedding": "vector", **generator}
    method = AdaPrefixPP(make_settings("adaprefix++", **options), DIMENSIONS)
    for name in ("a", "b", "c"):
        learn(method, make_new_task(name), steps=2)
    return method


def make_guided(*, reliable: bool = True, steps: int = 10, **distances: float) -> NewTask:
    measured = distances or {"a": 0.3, "b": 2.0, "c": 1.0}
    return make_new_task("new", relations=Relations(measured, reliable), known=3, steps=steps)


def begin(method: AdaPrefixPP, task: NewTask) -> GeneratedTask:
    return method.begin_task(task)


def to_the_others(method: AdaPrefixPP, learner: GeneratedTask) -> dict[str, float]:
    """Return how far the embedding of a task is from those of the others."""
    state = method.state()
    embedding = learner.embedding.detach()
    return {name: float((state[f"embedding.{name}"] - embedding).norm()) for name in ("a", "b", "c")}


def test_a_task_starts_nearest_to_what_it_is_most_like() -> None:
    method = make_method()
    found = to_the_others(method, begin(method, make_guided(a=0.3, b=2.0, c=1.0)))
    assert found["a"] < found["c"] < found["b"]


def test_without_relations_a_task_starts_as_ever() -> None:
    unguided = begin(make_method(), make_new_task("new"))
    as_ever = begin(make_method("none"), make_new_task("new"))
    assert torch.equal(unguided.embedding, as_ever.embedding)


@pytest.mark.parametrize("mode", MODES)
def test_guidance_reaches_what_it_guides(mode: str) -> None:
    method = make_method(mode, drift_weight=0.0)
    learner = begin(method, make_guided())
    with torch.no_grad():
        learner.embedding.add_(torch.randn(32, generator=torch.Generator().manual_seed(0)))
    penalty = learner.penalty(torch.optim.AdamW(learner.module_parameters()), 0)
    assert penalty is not None
    penalty.backward()
    assert learner.embedding.grad is not None
    assert float(learner.embedding.grad.abs().max()) > 0


@pytest.mark.parametrize("mode", MODES)
def test_relations_that_are_noise_guide_nothing(mode: str) -> None:
    learner = begin(make_method(mode, drift_weight=0.0), make_guided(reliable=False))
    assert learner.penalty(torch.optim.AdamW(learner.module_parameters()), 0) is None


@pytest.mark.parametrize("mode", MODES)
def test_relations_that_are_noise_leave_the_start_as_it_is_without_guidance(mode: str) -> None:
    noise = begin(make_method(mode), make_guided(reliable=False))
    as_ever = begin(make_method("none"), make_new_task("new"))
    assert torch.equal(noise.embedding, as_ever.embedding)
    assert [*noise.own.state_dict()] == [*as_ever.own.state_dict()]
    assert all(map(torch.equal, noise.own.parameters(), as_ever.own.parameters()))


@pytest.mark.parametrize("generator", [{}, RECURRENT])
def test_relations_that_are_noise_leave_all_that_is_trained_as_it_is_without_guidance(
    generator: dict[str, Any],
) -> None:
    noise = trained(learn(make_method(**generator), make_guided(reliable=False)))
    as_ever = trained(learn(make_method("none", **generator), make_new_task("new")))
    assert noise.keys() == as_ever.keys()
    assert [name for name in noise if not torch.equal(noise[name], as_ever[name])] == []


def test_guidance_has_faded_at_the_end() -> None:
    learner = begin(make_method(drift_weight=0.0), make_guided(steps=10))
    assert learner.penalty(torch.optim.AdamW(learner.module_parameters()), 10) is None


def test_the_drift_of_earlier_tasks_is_kept_in_check_beside_the_guidance() -> None:
    learner = begin(make_method(lookahead=False), make_guided())
    with torch.no_grad():
        for parameter in learner.network.parameters():
            parameter.add_(0.1)
    both = learner.penalty(torch.optim.AdamW(learner.module_parameters()), 0)
    faded = learner.penalty(torch.optim.AdamW(learner.module_parameters()), 10)
    assert both is not None
    assert faded is not None
    assert float(both.detach()) != float(faded.detach()) > 0


def test_the_decoder_of_all_tasks_is_part_of_the_state() -> None:
    method = make_method("decoder")
    again = AdaPrefixPP(make_settings("adaprefix++", guidance="decoder", task_embedding="vector"), DIMENSIONS)
    kept = method.state()
    assert any(name.startswith("decoder.") for name in kept)
    assert again.state().keys() == {name for name in kept if not name.startswith("embedding.")}


def test_embeddings_of_rows_cannot_be_guided() -> None:
    with pytest.raises(ConfigError, match="generator.guidance: .* Set generator.task_embedding=vector"):
        AdaPrefixPP(make_settings("adaprefix++", guidance="distance"), DIMENSIONS)


@pytest.mark.parametrize(
    ("mode", "generator"),
    [
        ("distance", {"generates": "adapter"}),
        ("decoder", {"generates": "adapter"}),
        ("paper", {"generates": "adapter"}),
        ("distance", RECURRENT),
        ("distance", RECURRENT | {"generates": "adapter"}),
    ],
)
def test_a_guided_task_is_trained_in_all_its_parts_and_ends_elsewhere_than_an_unguided_one(
    mode: str, generator: dict[str, Any]
) -> None:
    start = trained(begin(make_method(mode, **generator), make_guided()))
    guided = trained(learn(make_method(mode, **generator), make_guided()))
    unguided = trained(learn(make_method(mode, guidance_weight=0.0, **generator), make_guided()))
    assert [name for name in start if torch.equal(start[name], guided[name])] == []
    assert not torch.equal(guided["embedding"], unguided["embedding"])


def test_guidance_that_does_not_fade_leads_elsewhere() -> None:
    fading, lasting = (
        trained(learn(make_method(guidance_fade=fade), make_guided(steps=4), steps=4))
        for fade in (True, False)
    )
    assert not torch.equal(fading["embedding"], lasting["embedding"])


@pytest.mark.parametrize("mode", ["decoder", "paper"])
def test_a_network_without_an_encoder_is_not_guided_through_a_decoder(mode: str) -> None:
    with pytest.raises(
        ConfigError, match=f"guidance: found '{mode}' beside generator.architecture=recurrent"
    ):
        make_method(mode, **RECURRENT)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("found", "advised"),
    [
        ({}, {"task_embedding": "vector"}),
        ({"architecture": "interval"}, {"architecture": "rowwise", "task_embedding": "vector"}),
        (GROWING, {"recurrent_mode": "regularised", "guidance": "distance"}),
    ],
)
def test_what_is_advised_where_a_task_cannot_be_guided_works(
    mode: str, found: dict[str, str], advised: dict[str, str]
) -> None:
    refused = {"guidance": mode, **found}
    with pytest.raises(ConfigError) as said:
        AdaPrefixPP(make_settings("adaprefix++", **refused), DIMENSIONS)
    assert [key for key in advised if f"generator.{key}={advised[key]}" not in str(said.value)] == []
    AdaPrefixPP(make_settings("adaprefix++", **{**refused, **advised}), DIMENSIONS)


def test_a_decoder_can_guide_the_network_that_is_advised_in_the_place_of_a_recurrent_one() -> None:
    advised = "generator.architecture=rowwise with generator.task_embedding=vector"
    with pytest.raises(ConfigError, match=advised):
        make_method("decoder", **RECURRENT)
    make_method("decoder", architecture="rowwise", task_embedding="vector")


def test_weights_of_a_growing_task_cannot_be_guided() -> None:
    with pytest.raises(ConfigError, match="found 'distance' for embeddings of weights"):
        make_method("distance", **RECURRENT | GROWING)


@pytest.mark.parametrize("mode", MODES)
def test_one_candidate_alone_guides_nothing_and_is_refused(mode: str) -> None:
    settings = make_settings("adaprefix++", guidance=mode, task_embedding="vector")
    with pytest.raises(ConfigError, match=f"transfer.candidates: found 1 beside generator.guidance={mode}"):
        AdaPrefixPP(changed(settings, transfer={"candidates": 1}), DIMENSIONS)


def gamma_of(mode: str) -> float:
    """Return what a distance of 1 stands for among three random embeddings."""
    settings = make_settings("adaprefix++", guidance=mode, task_embedding="vector")
    anchors = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    guide = EmbeddingGuide(make_guided(), anchors, settings.generator, encode=lambda each: each, decoder=None)
    return guide.placement.gamma


@pytest.mark.parametrize("mode", ["distance", "decoder"])
def test_a_distance_of_one_is_that_of_two_random_embeddings(mode: str) -> None:
    assert gamma_of(mode) == 8.0


def test_as_published_the_length_of_a_distance_is_fitted() -> None:
    assert gamma_of("paper") < 7.0
