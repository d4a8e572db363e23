"""How much what one task learned says about another, and what to do with that number."""

from __future__ import annotations

from edgecl.similarity.ahp import Priorities, ahp_ratio, ahp_winrate, principal_eigenvector
from edgecl.similarity.comparison import Comparison, compare, compare_predictions
from edgecl.similarity.distances import Normalization, task_distances
from edgecl.similarity.estimate import Similarity, estimate, estimate_predictions
from edgecl.similarity.evidence import LogEvidence, log_evidence
from edgecl.similarity.methods import METHODS, FeatureMethod, Method
from edgecl.similarity.placement import Placement, place, random_distance
from edgecl.similarity.predictions import leep
from edgecl.similarity.refusal import Refusal
from edgecl.similarity.spectrum import FeatureSpectrum, feature_spectrum

__all__ = [
    "METHODS",
    "Comparison",
    "FeatureMethod",
    "FeatureSpectrum",
    "LogEvidence",
    "Method",
    "Normalization",
    "Placement",
    "Priorities",
    "Refusal",
    "Similarity",
    "ahp_ratio",
    "ahp_winrate",
    "compare",
    "compare_predictions",
    "estimate",
    "estimate_predictions",
    "feature_spectrum",
    "leep",
    "log_evidence",
    "place",
    "principal_eigenvector",
    "random_distance",
    "task_distances",
]
