"""The methods by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecl.config import GeneratorConfig
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
        ConfigError: There is no such method, it cannot start from an earlier task, it trains no net of prefixes, or it
            has no hypernetwork that settings are of.
    """
    name = config.method.name
    if name not in METHODS:
        raise ConfigError(f"method.name: found {name!r}, expected one of {', '.join(sorted(METHODS))}")
    _check_prefix_net(config)
    _check_generator(config)
    method = METHODS[name](config, dimensions)
    if not method.ships and config.transfer.start not in {None, "identity"}:
        raise ConfigError(
            f"transfer.start: found {config.transfer.start!r}, expected 'identity': the modules of {name} belong "
            "to no task. Choose another method, or leave transfer.start out"
        )
    return method


def _check_generator(config: RunConfig) -> None:
    """Refuse settings of a hypernetwork where there is none."""
    if config.method.name == "adaprefix++":
        return
    defaults = GeneratorConfig()
    for key in GeneratorConfig.__struct_fields__:
        if (found := getattr(config.generator, key)) != getattr(defaults, key):
            raise ConfigError.at(
                f"generator.{key}",
                found=f"{found!r} beside method.name={config.method.name}, which has no hypernetwork",
                expected="method.name=adaprefix++",
                fix=f"Leave generator.{key} out, or name a method that generates with --method, such as adaprefix++.",
            )


def _check_prefix_net(config: RunConfig) -> None:
    """Refuse a net of prefixes where no prefix is the task's own, and where it would have to start from prefixes."""
    method, start = config.method, config.transfer.start
    if method.prefix_hidden == 0:
        return
    is_generated = method.name == "adaprefix++" and config.generator.generates == "prefix"
    if is_generated or method.name == "lora" or method.prefix_length == 0:
        raise ConfigError.at(
            "method.prefix_hidden",
            found=f"{method.prefix_hidden} beside method.name={method.name}, method.prefix_length="
            f"{method.prefix_length}, generator.generates={config.generator.generates}",
            expected="prefixes of a task's own",
            fix="Leave method.prefix_hidden out, or train prefixes with method.name=adaprefix.",
        )
    if start not in {None, "identity"}:
        raise ConfigError.at(
            "transfer.start",
            found=f"{start!r} beside method.prefix_hidden={method.prefix_hidden}",
            expected="'identity': no net is known that makes the prefixes of an earlier task",
            fix="Leave one of them out.",
        )
