from __future__ import annotations

import subprocess
import sys


def test_importing_the_runtime_does_not_import_the_store() -> None:
    code = "import edgecl_runtime, sys; print('edgecl_runtime.store' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_store_needs_no_package_of_others() -> None:
    code = (
        "import edgecl_runtime, sys; before = set(sys.modules); import edgecl_runtime.store; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(new - set(sys.stdlib_module_names) - {'edgecl_runtime'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
