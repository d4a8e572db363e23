"""How good a method is: its matrix of accuracies beside floor and ceiling."""

from __future__ import annotations

from edgecl.evaluation.floors import Floors, frozen_feature_floors

__all__ = ["Floors", "frozen_feature_floors"]
