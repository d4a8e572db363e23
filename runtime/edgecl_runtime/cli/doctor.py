"""`edgecl-device doctor`: what keeps this machine from running, and the line that mends it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from edgecl_runtime.doctor.finding import FINE, Finding

__all__ = ["doctor"]


def doctor(arguments: argparse.Namespace) -> int:
    """Print what is found on this machine; 1 if something must be mended."""
    # Imported here: the other commands need nothing of it.
    from edgecl_runtime.doctor import collect, examine, must_mend

    findings = examine(collect(arguments.path))
    code = int(must_mend(findings))
    if arguments.json:
        rows = [finding.to_json() for finding in findings]
        print(json.dumps({"ok": not code, "findings": rows}))
    else:
        sys.stdout.write(_page(findings))
    return code


def _page(findings: Sequence[Finding]) -> str:
    """Return the findings for people: what is fine in one line each, the rest with its line below."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        level = "" if finding.level == FINE else f"{finding.level}: "
        lines.append(f"{finding.check:<{width}}  {level}{' '.join(finding.message.split())}")
        if finding.line:
            lines.append(f"{'':<{width}}    {finding.line}")
    return "\n".join(lines) + "\n"
