"""What is read or drawn without a model loads neither torch nor transformers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

NETS = {"torch", "transformers"}


@pytest.mark.parametrize("module", ["edgecl.config", "edgecl.kinds", "edgecl.report", "edgecl.streams"])
def test_a_part_without_models_loads_no_library_of_them(module: str) -> None:
    code = f"import {module}, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not NETS & set(json.loads(done.stdout))
