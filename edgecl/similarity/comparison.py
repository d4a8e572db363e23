"""Several sources on the same items: which one says most about a task, and whether that ranking holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecl.errors import DataError
from edgecl.similarity.estimate import DEFAULT_METHOD, Similarity, cross_check_of, estimate
from edgecl.similarity.items import check_features, draw_items
from edgecl.similarity.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.hscore import Method

LEAST_SPREAD = 2.0
LEAST_KENDALL_TAU = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Similarities of several sources to one task.

    Attributes:
        sources: Per source its similarity, or why it has none; in the order given.
        spread: Standard deviation of the values across the sources; 0 for fewer than two.
        kendall_tau: How far method and cross-check rank the sources alike, from -1 to 1; 0 for fewer than two.
        doubts: Why the ranking is not to be used; empty if it is reliable.
    """

    sources: Mapping[str, Similarity | Refusal]
    spread: float
    kendall_tau: float
    doubts: tuple[str, ...]

    @property
    def reliable(self) -> bool:
        """Whether the differences between the sources are more than noise."""
        return not self.doubts


def compare(
    sources: Mapping[str, NDArray[np.floating]],
    labels: NDArray[np.integer],
    *,
    method: Method = DEFAULT_METHOD,
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
    if not sources:
        raise DataError.at(
            "sources", found="none", expected="one or more", fix="Give the features of a source."
        )
    for name, features in sources.items():
        check_features(features, labels, where=f"source {name!r}")
    positions = draw_items(labels, seed=seed)
    results = {}
    for name, features in sources.items():
        results[name] = estimate(features[positions], labels[positions], method=method, seed=seed)
        on_source(name, results[name])
    return _compared(results)


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how far two lists rank the same things alike: pairs in the same order less pairs in the other, of all.

    0 for fewer than two things.
    """
    # tau-a (Kendall, 1938): a tie counts for neither.
    a, b = np.asarray(first), np.asarray(second)
    pairs = len(a) * (len(a) - 1)
    return float((np.sign(a[:, None] - a) * np.sign(b[:, None] - b)).sum()) / max(1, pairs)


def _compared(results: Mapping[str, Similarity | Refusal]) -> Comparison:
    given = [result for result in results.values() if isinstance(result, Similarity)]
    values = [similarity.value for similarity in given]
    spread = float(np.std(values, ddof=1)) if len(given) > 1 else 0.0
    tau = kendall_tau(values, [similarity.cross_check for similarity in given])
    if len(given) < len(results):
        without = [name for name, result in results.items() if isinstance(result, Refusal)]
        return Comparison(results, spread, tau, (f"no number for {', '.join(without)}",))
    if len(given) < 2:
        return Comparison(results, spread, tau, ("one source alone has no rank",))
    return Comparison(results, spread, tau, tuple(_doubts(given, spread, tau)))


def _doubts(given: Sequence[Similarity], spread: float, tau: float) -> list[str]:
    doubts = []
    error = max(similarity.standard_error for similarity in given)
    if not spread > LEAST_SPREAD * error:
        doubts.append(
            f"the sources differ by {spread:.2g} (standard deviation), no more than {LEAST_SPREAD:g} standard "
            f"errors of {error:.2g}"
        )
    if not tau >= LEAST_KENDALL_TAU:
        method = given[0].method
        doubts.append(
            f"{method} and {cross_check_of(method)} rank the sources differently (Kendall's tau {tau:.2f}, "
            f"{LEAST_KENDALL_TAU:g} is asked for)"
        )
    return doubts
