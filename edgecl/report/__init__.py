"""What runs reached, for people: one page with tables and figures that needs nothing besides itself."""

from __future__ import annotations

from edgecl.report.arms import Arm, Comparison, compare
from edgecl.report.as_json import report_to_json
from edgecl.report.summary import Summary, summarize
from edgecl.report.write import write_page, write_report

__all__ = [
    "Arm",
    "Comparison",
    "Summary",
    "compare",
    "report_to_json",
    "summarize",
    "write_page",
    "write_report",
]
