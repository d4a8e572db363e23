"""H-scores: how much of the features' variation the labels explain, summed over components.

All of them are sums over the spectrum, so no matrix is ever inverted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from edgecl.similarity.leave_one_out import h_loo, mean_alone
from edgecl.similarity.refusal import Refusal
from edgecl.similarity.spectrum import HALF

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecl.similarity.spectrum import FeatureSpectrum

HScore = Literal["h_adj", "h_loo", "h_lw", "h_lwc", "h_raw"]
H_SCORES: tuple[HScore, ...] = get_args(HScore)


def h_score(spectrum: FeatureSpectrum, method: HScore) -> float | Refusal:
    """Return one of the scores, or why it says nothing about these features."""
    if method in ("h_raw", "h_adj"):
        refusal = _unshrunk_refusal(spectrum, method)
        if refusal is not None:
            return refusal
    scores = {"h_adj": h_adj, "h_loo": h_loo, "h_lw": h_lw, "h_lwc": h_lwc, "h_raw": h_raw}
    return scores[method](spectrum)


def h_chance(spectrum: FeatureSpectrum, method: HScore) -> float:
    """Return the mean of a score over all permutations of the labels.

    For `h_loo` that has no closed form: there it is the score of predicting the mean.
    """
    chance = _chance_per_component(spectrum)
    if method == "h_raw":
        return spectrum.rank * chance
    if method == "h_lw":
        return float(_weights(spectrum, shrinkage(spectrum)).sum()) * chance
    return mean_alone(spectrum) if method == "h_loo" else 0.0


def h_raw(spectrum: FeatureSpectrum) -> float:
    """Return H = tr(cov(F)^-1 cov(E[F|Y])), from 0 to min(r, K - 1).

    It is K - 1 for every task where n <= r + 1, and its mean over permuted labels is r (K - 1)/(n - 1).
    """
    # H-score (Bao et al., 2019) = Pillai's trace (Pillai, 1955) = sum of eta_i^2 over the components.
    return float(spectrum.eta_squared.sum())


def h_adj(spectrum: FeatureSpectrum) -> float:
    """Return the raw score less its chance level, scaled so that K - 1 stays K - 1; 0 on average at chance.

    Raises:
        ValueError: The rank is n - 1: there is nothing left to correct with.
    """
    n, rank = spectrum.n, spectrum.rank
    if rank >= n - 1:
        raise ValueError(f"{n} items of rank {rank}: h_adj needs a rank below {n - 1}")
    # The permutation mean of Pillai's trace is r (K - 1)/(n - 1) (Pitman, 1938, for one component).
    return (h_raw(spectrum) - rank * _chance_per_component(spectrum)) / (1.0 - rank / (n - 1))


def h_lw(spectrum: FeatureSpectrum, *, alpha: float | None = None) -> float:
    """Return the score with a shrunk covariance; never above the raw one.

    Args:
        spectrum: The features.
        alpha: Shrinkage from 0 (none) to 1 (all); Ledoit and Wolf's estimate if absent.
    """
    # Shrinkage H-score (Ibrahim et al., 2022). The covariance between the classes carries (1 - alpha), too:
    # without that the score exceeds K - 1 for small n.
    weights = _weights(spectrum, shrinkage(spectrum) if alpha is None else alpha)
    return float(weights @ spectrum.eta_squared)


def h_lwc(spectrum: FeatureSpectrum, *, alpha: float | None = None) -> float:
    """Return the score with a shrunk covariance and each component's chance level removed; 0 on average at chance.

    Args:
        spectrum: The features.
        alpha: Shrinkage from 0 (none) to 1 (all); Ledoit and Wolf's estimate if absent.
    """
    # The chance-corrected share of a component is Kelley's epsilon squared (Kelley, 1935).
    chance = _chance_per_component(spectrum)
    weights = _weights(spectrum, shrinkage(spectrum) if alpha is None else alpha)
    return float(weights @ (spectrum.eta_squared - chance)) / (1.0 - chance)


def shrinkage(spectrum: FeatureSpectrum) -> float:
    """Return the intensity alpha, 0 to 1, that is expected to bring the covariance closest to the true one."""
    # Ledoit and Wolf (2004), lemma 3.1 to 3.4; every norm there is a sum over the spectrum.
    variances = spectrum.variances
    square_norm = float(np.square(variances).sum())
    rows = np.square(spectrum.left) @ np.square(spectrum.singular_values)
    scatter = (float(np.square(rows).mean()) - square_norm) / spectrum.n
    distance = square_norm - float(variances.sum()) ** 2 / max(1, spectrum.width)
    if scatter <= 0.0 or spectrum.rank == 0:
        return 0.0
    return min(1.0, scatter / distance) if distance > 0.0 else 1.0


def _weights(spectrum: FeatureSpectrum, alpha: float) -> NDArray[np.float64]:
    """Return w_i = (1 - alpha) l_i / ((1 - alpha) l_i + alpha tr/D), [r]."""
    kept = (1.0 - alpha) * spectrum.variances
    weights: NDArray[np.float64] = kept / (kept + alpha * spectrum.variances.sum() / max(1, spectrum.width))
    return weights


def _chance_per_component(spectrum: FeatureSpectrum) -> float:
    return (spectrum.classes - 1) / (spectrum.n - 1)


def _unshrunk_refusal(spectrum: FeatureSpectrum, method: HScore) -> Refusal | None:
    if spectrum.source == HALF:
        return Refusal(f"{method} of half-precision features is their rounding; use h_lwc")
    if spectrum.rank >= spectrum.n - 1:
        return Refusal.too_few(
            f"{spectrum.n} samples of {spectrum.width} features give the same {method} for every task",
            least=spectrum.width + 2,
        )
    return None
