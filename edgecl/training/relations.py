"""How near a new task is to earlier ones, by the labels of its own training items: what guides its embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecl.methods import Relations
from edgecl.similarity import FeatureMethod, Normalization, Similarity, compare, task_distances
from edgecl.similarity.items import draw_items
from edgecl.similarity.methods import DEFAULT_METHOD
from edgecl.training.signature import Features, nearest_tasks
from edgecl.training.warm_start import earlier_tasks, features_under

if TYPE_CHECKING:
    from edgecl.training.loop import TrainingItems
    from edgecl.training.session import Session


def measure_relations(
    session: Session, items: TrainingItems, bare: Features, *, seed: int
) -> Relations | None:
    """Return measured distances to earlier tasks; None where the settings ask for no guidance, or nothing is before it.

    For ablations the labels are permuted before they are compared, or the measured distances are dealt out to the
    earlier tasks at random: the same distances, of which chance says whose they are (two tasks keep their own in one
    of two cases). Whether they may guide is decided by the measured ones in every case, so that ablations differ in
    the distances alone. One earlier task has no rank, and guides in no case. By the raw H-score two or more guide as
    published, whether or not they may be relied on.

    Args:
        session: The run with its earlier tasks.
        items: What the new task is trained on, [N].
        bare: Their features without a task, [N, D].
        seed: Of samples and of ablations.
    """
    generator = session.config.generator
    is_guided = session.config.method.name == "adaprefix++" and generator.guidance != "none"
    if not is_guided or not earlier_tasks(session):
        return None
    names = nearest_tasks(session.run, bare, at_most=session.config.transfer.candidates)
    rows = draw_items(items.targets, seed=seed)
    looked_at, labels = [items.prepared[row] for row in rows], items.targets[rows]
    sources = {name: features_under(session, looked_at, session.run.tensors(name)) for name in names}
    unjudged = partial(_unjudged, sources, normalization=generator.guidance_normalization, seed=seed)
    if generator.guidance_from == "h_raw":
        raw = unjudged(labels, method="h_raw")
        return Relations(dict(zip(names, raw.tolist(), strict=True)), reliable=len(names) > 1)
    comparison = compare(sources, labels, seed=seed)
    distances = task_distances(comparison, normalization=generator.guidance_normalization)
    if comparison.reliable and generator.guidance_from != "h_lwc":
        random = np.random.default_rng([seed, 3])
        distances = (
            random.permutation(distances)
            if generator.guidance_from == "random"
            else unjudged(random.permutation(labels))
        )
    return Relations(dict(zip(names, distances.tolist(), strict=True)), reliable=comparison.reliable)


def _unjudged(
    sources: Mapping[str, Features],
    labels: NDArray[np.int64],
    *,
    normalization: Normalization,
    seed: int,
    method: FeatureMethod = DEFAULT_METHOD,
) -> NDArray[np.float64]:
    """Return distances [J] as they come out, though nobody would rely on them; all 1 where there is no score."""
    comparison = compare(sources, labels, method=method, seed=seed)
    if not all(isinstance(result, Similarity) for result in comparison.sources.values()):
        return np.ones(len(sources))
    return task_distances(replace(comparison, doubts=()), normalization=normalization)
