"""What tasks cost on this machine: `edgecl-device bench`."""

from __future__ import annotations

from edgecl_runtime.bench.device import BenchReport, run_bench
from edgecl_runtime.bench.ratios import Comparison, Ratio, compare

__all__ = ["BenchReport", "Comparison", "Ratio", "compare", "run_bench"]
