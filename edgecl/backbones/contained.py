"""Keep torch's compiler from leaving folders where nobody asked for them, whether it is used or only imported.

`torch._dynamo` makes a cache folder as soon as it is imported, and transformers imports it; the exporter does so
again. To name that folder they look the user up, which may ask a name service, and they try out the system's
temporary folder by writing to it. This module is imported before the first module that imports transformers' models.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def contained(folder: Path) -> Iterator[None]:
    """Let torch and `tempfile` put what they make into `folder`, which exists, as long as the context lasts."""
    switches = {"TORCHINDUCTOR_CACHE_DIR": str(folder), "LOGNAME": os.environ.get("LOGNAME", "edgecl")}
    before = {name: os.environ.get(name) for name in switches}
    temporary, tempfile.tempdir = tempfile.tempdir, str(folder)
    os.environ.update(switches)
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


with contained(Path(torch.__file__).parent):  # a folder that exists, so that none is made
    import torch._dynamo
