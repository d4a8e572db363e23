"""Looks for what keeps this machine from running a bundle, and names the line that mends it."""

from __future__ import annotations

from edgecl_runtime.doctor.collect import collect
from edgecl_runtime.doctor.examine import examine, must_mend
from edgecl_runtime.doctor.facts import Facts
from edgecl_runtime.doctor.finding import FINE, MEND, NOTE, Finding

__all__ = ["FINE", "MEND", "NOTE", "Facts", "Finding", "collect", "examine", "must_mend"]
