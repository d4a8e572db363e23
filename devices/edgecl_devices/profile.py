"""Device profiles: which execution providers and which precision a kind of device is given."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files

from edgecl_devices.errors import ProfileFormatError, UnknownProfileError

PRECISIONS = ("fp32", "fp16", "int8")
_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """One kind of device.

    Attributes:
        name: What `edgecl export --device` takes; equal to the name of the file.
        description: One sentence for people.
        providers: Execution providers of onnxruntime, the preferred one first.
        precision: Number type of the backbone's graph, one of `PRECISIONS`.
    """

    name: str
    description: str
    providers: tuple[str, ...]
    precision: str


def profile_names() -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    names = (entry.name for entry in (files("edgecl_devices") / "profiles").iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def load_profile(name: str) -> DeviceProfile:
    """Return the profile of this name.

    Raises:
        UnknownProfileError: There is none; the message lists those that exist.
        ProfileFormatError: Its file has a missing, unknown or wrongly typed key.
    """
    known = profile_names()
    if name not in known:
        raise UnknownProfileError(name, known=known)
    text = (files("edgecl_devices") / "profiles" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    return parse_profile(text, name=name)


def parse_profile(text: str, *, name: str) -> DeviceProfile:
    """Return the profile that the TOML text of `name`.toml describes.

    Raises:
        ProfileFormatError: The text is not TOML, or a key is missing, unknown or of the wrong type.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileFormatError(name, f"not TOML: {error}") from error
    _check_keys(table, name=name)
    profile = DeviceProfile(
        name=_text(table, "name", name=name),
        description=_text(table, "description", name=name),
        providers=_texts(table, "providers", name=name),
        precision=_text(table, "precision", name=name),
    )
    if profile.name != name:
        raise ProfileFormatError(name, f"`name` is {profile.name!r}; it must be the file's name, {name!r}")
    if profile.precision not in PRECISIONS:
        allowed = ", ".join(PRECISIONS)
        raise ProfileFormatError(name, f"`precision` is {profile.precision!r}; it must be one of: {allowed}")
    return profile


def _check_keys(table: dict[str, object], *, name: str) -> None:
    known = {field.name for field in fields(DeviceProfile)}
    for problem, keys in (("missing", known - table.keys()), ("unknown", table.keys() - known)):
        if keys:
            raise ProfileFormatError(name, f"{problem} key: {', '.join(sorted(keys))}")


def _text(table: dict[str, object], key: str, *, name: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value:
        raise ProfileFormatError(name, f"`{key}` is {value!r}; it must be a text that is not empty")
    return value


def _texts(table: dict[str, object], key: str, *, name: str) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise ProfileFormatError(name, f"`{key}` is {value!r}; it must be a list of at least one name")
    return tuple(value)
