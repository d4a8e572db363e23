"""Updates over the air: a signed repository is followed, fetched and tried before it is trusted with the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecl_runtime.ota.report import Change, Report
    from edgecl_runtime.ota.trial import Candidate
    from edgecl_runtime.ota.updater import Updater

__all__ = ["Candidate", "Change", "Report", "Updater"]

_HOMES = {"Candidate": "trial", "Change": "report", "Report": "report", "Updater": "updater"}


def __getattr__(name: str) -> Any:
    # Late: modules of this package that need neither tuf nor a network are used without them.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
