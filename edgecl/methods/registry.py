"""The methods by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecl.errors import ConfigError
from edgecl.methods.adaprefix import AdaPrefix
from edgecl.methods.adaprefix_pp import AdaPrefixPP
from edgecl.methods.lora import Lora
from edgecl.methods.shared import SharedModule

if TYPE_CHECKING:
    from edgecl.config import RunConfig
    from edgecl.methods.base import Method
    from edgecl_runtime.manifest import Dimensions

METHODS: dict[str, type[AdaPrefix | AdaPrefixPP | Lora | SharedModule]] = {
    "adaprefix": AdaPrefix,
    "adaprefix++": AdaPrefixPP,
    "lora": Lora,
    "shared": SharedModule,
}


def build_method(config: RunConfig, dimensions: Dimensions) -> Method:
    """Return the method that a configuration names.

    Raises:
        ConfigError: There is no such method, or it cannot start from an earlier task.
    """
    name = config.method.name
    if name not in METHODS:
        raise ConfigError(f"method.name: found {name!r}, expected one of {', '.join(sorted(METHODS))}")
    method = METHODS[name](config, dimensions)
    if not method.ships and config.transfer.start not in {None, "identity"}:
        raise ConfigError(
            f"transfer.start: found {config.transfer.start!r}, expected 'identity': the modules of {name} belong "
            "to no task. Choose another method, or leave transfer.start out"
        )
    return method
