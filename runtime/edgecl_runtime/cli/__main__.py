"""`python -m edgecl_runtime.cli`."""

from __future__ import annotations

import sys

from edgecl_runtime.cli.arguments import main

sys.exit(main())
