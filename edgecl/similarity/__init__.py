"""How much what one task learned says about another, and what to do with that number."""

from __future__ import annotations

from edgecl.similarity.ahp import Priorities, ahp_ratio, ahp_winrate, principal_eigenvector
from edgecl.similarity.comparison import Comparison, compare
from edgecl.similarity.distances import task_distances
from edgecl.similarity.estimate import Similarity, estimate
from edgecl.similarity.evidence import LogEvidence, leep, log_evidence
from edgecl.similarity.hscore import METHODS, Method
from edgecl.similarity.placement import Placement, place
from edgecl.similarity.refusal import Refusal
from edgecl.similarity.spectrum import FeatureSpectrum, feature_spectrum

__all__ = [
    "METHODS",
    "Comparison",
    "FeatureSpectrum",
    "LogEvidence",
    "Method",
    "Placement",
    "Priorities",
    "Refusal",
    "Similarity",
    "ahp_ratio",
    "ahp_winrate",
    "compare",
    "estimate",
    "feature_spectrum",
    "leep",
    "log_evidence",
    "place",
    "principal_eigenvector",
    "task_distances",
]
