"""How near a new task is to earlier ones, by the labels of its own training items: what guides its embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecl.methods import Relations
from edgecl.similarity import compare, task_distances
from edgecl.similarity.items import draw_items
from edgecl.training.signature import nearest_tasks
from edgecl.training.warm_start import features_under

if TYPE_CHECKING:
    from edgecl.training.ready import Ready
    from edgecl.training.session import Session


def measure_relations(
    session: Session, ready: Ready, bare: NDArray[np.floating[Any]], *, seed: int
) -> Relations | None:
    """Return measured distances to earlier tasks; None where the settings ask for no guidance.

    For ablations the labels are permuted before they are compared, or the distances are random.

    Args:
        session: The run with its earlier tasks.
        ready: The new task.
        bare: Features of its training items without a task, [N, D].
        seed: Of samples and of ablations.
    """
    generator = session.config.generator
    if session.config.method.name != "adaprefix++" or generator.guidance == "none" or not session.run.names:
        return None
    names = nearest_tasks(session.run, bare, at_most=session.config.transfer.candidates)
    random = np.random.default_rng([seed, 3])
    if generator.guidance_from == "random":
        return Relations(dict(zip(names, random.uniform(0.25, 4.0, len(names)), strict=True)), reliable=True)
    targets = ready.data.train.targets
    rows = draw_items(targets, seed=seed)
    labels = targets[rows]
    if generator.guidance_from == "permuted":
        labels = random.permutation(labels)
    items = [ready.prepared.train[row] for row in rows]
    comparison = compare(
        {name: features_under(session, items, session.run.tensors(name)) for name in names}, labels, seed=seed
    )
    distances = task_distances(comparison, normalization=generator.guidance_normalization)
    return Relations(dict(zip(names, distances.tolist(), strict=True)), reliable=comparison.reliable)
