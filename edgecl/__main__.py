"""`python -m edgecl`, and so `accelerate launch -m edgecl`."""

from __future__ import annotations

from edgecl.cli import main

main()
