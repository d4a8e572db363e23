"""Several sources on the same items: which one says most about a task, and whether that ranking holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError
from edgecl.similarity.estimate import Similarity, estimate, estimate_predictions
from edgecl.similarity.items import check_features, draw_items
from edgecl.similarity.methods import DEFAULT_METHOD, cross_check_of
from edgecl.similarity.predictions import check_probabilities
from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.methods import FeatureMethod, Method

LEAST_SPREAD = 2.0
LEAST_KENDALL_TAU = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Similarities of several sources to one task.

    Attributes:
        sources: Per source its similarity, or why it has none; in the order given.
        spread: Standard deviation of the values across the sources; 0 for fewer than two.
        spread_error: What the spread of sources of the same worth would be, from the differences between the sources
            on each subsample: what a value owes to the items drawn is in all of them and cancels. Infinite for fewer
            than two sources, and where a source has no standard error.
        kendall_tau: How far method and cross-check rank the sources alike, from -1 to 1; 0 for fewer than two.
            None where the method has no cross-check: then there is no verdict on the ranking.
        doubts: Why the ranking is not to be used; empty if it is reliable.
    """

    sources: Mapping[str, Similarity | Refusal]
    spread: float
    spread_error: float
    kendall_tau: float | None
    doubts: tuple[str, ...]

    @property
    def reliable(self) -> bool:
        """Whether the differences between the sources are more than noise."""
        return not self.doubts


def compare(
    sources: Mapping[str, NDArray[np.floating]],
    labels: NDArray[np.integer],
    *,
    method: FeatureMethod = DEFAULT_METHOD,
    seed: int = 0,
    on_source: Callable[[str, Similarity | Refusal], None] = lambda name, result: None,
) -> Comparison:
    """Return the similarities of sources to one task, on the same items and the same subsamples of them.

    Of many items a stratified sample is used: min(all, max(1000, 50 K), 4000).

    Args:
        sources: Features of the same items under each source, [n, D] of a float type; D may differ.
        labels: Classes of the items, [n].
        method: Which score.
        seed: Of the sample and of its subsamples.
        on_source: Told about each source as it is done.

    Raises:
        DataError: There is no source, shapes or types do not fit, or a feature is not finite; names the source.
        ConfigError: Unknown method.
    """
    score = partial(estimate, method=method, seed=seed)
    results = _scored(sources, labels, check=check_features, score=score, seed=seed, on_source=on_source)
    return _compared(results, method)


def compare_predictions(
    sources: Mapping[str, NDArray[np.floating]],
    labels: NDArray[np.integer],
    *,
    seed: int = 0,
    on_source: Callable[[str, Similarity | Refusal], None] = lambda name, result: None,
) -> Comparison:
    """Return the `leep` of sources for one task, on the same items and the same subsamples of them.

    There is no verdict on the ranking: nothing confirms it, and chance favours sources of many classes.

    Args:
        sources: What the head of each source says about the same items, [n, Z], rows sum to 1; Z may differ.
        labels: Classes of the items, [n].
        seed: Of the sample, of its subsamples and of permutations.
        on_source: Told about each source as it is done.

    Raises:
        DataError: There is no source, shapes do not fit, or a row is not a distribution; names the source.
    """
    score = partial(estimate_predictions, seed=seed)
    results = _scored(sources, labels, check=check_probabilities, score=score, seed=seed, on_source=on_source)
    return _compared(results, "leep")


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how far two lists rank the same things alike: pairs in the same order less pairs in the other, of all.

    0 for fewer than two things.
    """
    # tau-a (Kendall, 1938): a tie counts for neither.
    a, b = np.asarray(first), np.asarray(second)
    pairs = len(a) * (len(a) - 1)
    return float((np.sign(a[:, None] - a) * np.sign(b[:, None] - b)).sum()) / max(1, pairs)


def _scored(
    sources: Mapping[str, NDArray[np.floating]],
    labels: NDArray[np.integer],
    *,
    check: Callable[..., None],
    score: Callable[..., Similarity | Refusal],
    seed: int,
    on_source: Callable[[str, Similarity | Refusal], None],
) -> dict[str, Similarity | Refusal]:
    """Return the score of each source on the same sample of items, after all of them were checked."""
    if not sources:
        raise DataError.at("sources", found="none", expected="one or more", fix="Give what a source says.")
    for name, rows in sources.items():
        check(rows, labels, where=f"source {name!r}")
    positions = draw_items(labels, seed=seed)
    results = {}
    for name, rows in sources.items():
        results[name] = score(rows[positions], labels[positions])
        on_source(name, results[name])
    return results


def _compared(results: Mapping[str, Similarity | Refusal], method: Method) -> Comparison:
    given = [result for result in results.values() if isinstance(result, Similarity)]
    without = [name for name, result in results.items() if isinstance(result, Refusal)]
    values = [similarity.value for similarity in given]
    checks = [similarity.cross_check for similarity in given if similarity.cross_check is not None]
    spread = float(np.std(values, ddof=1)) if len(given) > 1 else 0.0
    error = _error_of_differences(given)
    tau = None if cross_check_of(method) is None else kendall_tau(values, checks)
    doubts: tuple[str, ...]
    if without:
        doubts = (f"no number for {', '.join(without)}",)
    elif len(given) < 2:
        doubts = ("one source alone has no rank",)
    else:
        doubts = (*_doubts_of_spread(spread, error), *_doubts_of_order(method, tau))
    return Comparison(results, spread, error, tau, doubts)


def _error_of_differences(given: Sequence[Similarity]) -> float:
    if len(given) < 2 or any(math.isinf(similarity.widening) for similarity in given):
        return math.inf
    replicates = np.array([similarity.replicates for similarity in given])  # [sources, subsamples]
    differences = replicates - replicates.mean(axis=0)
    # What the spread of sources of the same worth would be: each differs from their mean by less than from the truth.
    return given[0].widening * float(np.sqrt(differences.var(axis=1).sum() / (len(given) - 1)))


def _doubts_of_spread(spread: float, error: float) -> tuple[str, ...]:
    if math.isinf(error):
        return ("too few items to say how much the sources would differ by chance",)
    if spread > LEAST_SPREAD * error:
        return ()
    return (
        f"the sources differ by {spread:.2g} (standard deviation), no more than {LEAST_SPREAD:g} times the {error:.2g} "
        "that sources of the same worth would",
    )


def _doubts_of_order(method: Method, tau: float | None) -> tuple[str, ...]:
    if tau is None:
        return (f"{method} has no second score that could confirm the ranking",)
    if tau >= LEAST_KENDALL_TAU:
        return ()
    return (
        f"{method} and {cross_check_of(method)} rank the sources differently (Kendall's tau {tau:.2f}, "
        f"{LEAST_KENDALL_TAU:g} is asked for)",
    )
