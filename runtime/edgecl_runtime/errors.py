"""Every error this package raises on purpose.

The branches follow what the caller can do about it:

    EdgeclRuntimeError          exit code 1
      PackError                 3   keep the pack in use and fetch or build another one
        PackFormatError         3   the bytes are not a pack of a known format
        PackDigestError         5   the bytes were changed after the pack was made
        PackMismatchError       3   the pack is for another backbone, attention variant or size
        PackTooNewError         3   the pack needs a newer edgecl-runtime
        PackConflictError       3   this task already has a newer pack, or another one of the same version
        ProbeMismatchError      3   this device does not reproduce the features measured at export
      BundleError               3   the backbone cannot be used: copy or export the bundle again
        BundleFormatError       3   a file is missing, or says something this package does not understand
        BundleDigestError       5   a file was changed after the bundle was written
        BundleTooNewError       3   the bundle needs a newer edgecl-runtime
        ProviderError           3   an execution provider that the profile asks for is not active
      InputError (ValueError)   2   fix the call
        FieldError              2   a key of a record has a wrong value
        UnknownTaskError        2   no pack of that task is open
      MissingExtraError (ImportError)   1   install the part that is named

Messages say where, what was found against what was expected, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

__all__ = [
    "BundleDigestError",
    "BundleError",
    "BundleFormatError",
    "BundleTooNewError",
    "EdgeclRuntimeError",
    "FieldError",
    "InputError",
    "MissingExtraError",
    "PackConflictError",
    "PackDigestError",
    "PackError",
    "PackFormatError",
    "PackMismatchError",
    "PackTooNewError",
    "ProbeMismatchError",
    "ProviderError",
    "UnknownTaskError",
]


def _pip(*requirements: str) -> str:
    """Return the commands that install one of these requirements, from the index or from a checkout."""
    local = [name.replace("edgecl-runtime", "./runtime").partition(">=")[0] for name in requirements]
    released, checkout = (
        " or ".join(f'pip install "{name}"' for name in names) for names in (requirements, local)
    )
    return f"{released} (from a checkout: {checkout})"


def _restore(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class EdgeclRuntimeError(Exception):
    """The root of all errors of this package; `exit_code` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors take keywords, which Exception does not pickle; errors cross process borders in
        # data loaders.
        return _restore, (type(self), self.args, self.__dict__)


class PackError(EdgeclRuntimeError):
    """The pack is not usable."""

    exit_code = 3


class PackFormatError(PackError):
    """The bytes are not a pack of a known format."""

    def __init__(self, where: str, *, found: str, expected: str) -> None:
        super().__init__(
            f"{where}: found {found}, expected {expected}. "
            "Keep the pack in use and fetch or build this one again."
        )
        self.where, self.found, self.expected = where, found, expected


class PackDigestError(PackError):
    """The bytes were changed after the pack was made."""

    exit_code = 5

    def __init__(self, where: str, *, found: str, expected: str) -> None:
        super().__init__(
            f"{where}: sha256 is {found[:12]}..., the pack says {expected[:12]}.... "
            "The file is damaged: keep the pack in use and fetch this one again."
        )
        self.where, self.found, self.expected = where, found, expected


class PackMismatchError(PackError):
    """The pack was built for another backbone, attention variant or size."""

    def __init__(self, where: str, *, found: str, expected: str, task: str, bundle: str) -> None:
        super().__init__(
            f"{where}: built for {found}, but the bundle {bundle} has {expected}. "
            f"Build it again with: edgecl pack build RUN --task {task} --bundle {bundle}"
        )
        self.where, self.found, self.expected, self.task = where, found, expected, task


class PackTooNewError(PackError):
    """The pack needs a newer edgecl-runtime."""

    def __init__(self, where: str, *, found: str, expected: str, install: str) -> None:
        super().__init__(f"{where}: found {found}, expected {expected}. Update with: {_pip(install)}")
        self.where, self.found, self.expected, self.install = where, found, expected, install


class PackConflictError(PackError):
    """The task already has a newer pack, or another one of the same version."""

    def __init__(self, where: str, *, found: str, expected: str) -> None:
        super().__init__(
            f"{where}: found {found}, expected {expected}. Build it again with a higher version."
        )
        self.where, self.found, self.expected = where, found, expected


class ProbeMismatchError(PackError):
    """This device does not reproduce the features that were measured at export."""

    def __init__(self, where: str, *, found: str, expected: str) -> None:
        super().__init__(
            f"{where}: found {found}, expected {expected}. "
            "Do not use the task on this device; check its execution provider and precision."
        )
        self.where, self.found, self.expected = where, found, expected


class BundleError(EdgeclRuntimeError):
    """The backbone cannot be used."""

    exit_code = 3


class BundleFormatError(BundleError):
    """A file of the bundle is missing, or says something this package does not understand."""

    def __init__(self, where: str, *, found: str, expected: str, hint: str = "") -> None:
        advice = hint or "Export the bundle again with: edgecl export RUN --out BUNDLE"
        super().__init__(f"{where}: found {found}, expected {expected}. {advice}")
        self.where, self.found, self.expected = where, found, expected


class BundleDigestError(BundleError):
    """A file of the bundle was changed after the bundle was written."""

    exit_code = 5

    def __init__(self, where: str, *, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}, bundle.json says {expected}. Copy the bundle again.")
        self.where, self.found, self.expected = where, found, expected


class BundleTooNewError(BundleError):
    """The bundle needs a newer edgecl-runtime."""

    def __init__(self, where: str, *, found: str, expected: str, install: str) -> None:
        super().__init__(f"{where}: found {found}, expected {expected}. Update with: {_pip(install)}")
        self.where, self.found, self.expected, self.install = where, found, expected, install


class ProviderError(BundleError):
    """An execution provider that the profile asks for is not active."""

    def __init__(self, where: str, *, wanted: str, active: Iterable[str]) -> None:
        found = ", ".join(active)
        super().__init__(
            f"{where}: the profile asks for {wanted}, but onnxruntime offers only {found}. "
            f"Install the matching onnxruntime, for CUDA and TensorRT with {_pip('edgecl-runtime[gpu]')}, "
            "or export the bundle for another device profile."
        )
        self.where, self.wanted, self.active = where, wanted, found


class InputError(EdgeclRuntimeError, ValueError):
    """The call is wrong: a dtype, a shape, an unreadable image."""

    exit_code = 2


class FieldError(InputError):
    """A key of a record has a wrong value."""

    def __init__(self, where: str, *, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}, expected {expected}")
        self.where, self.found, self.expected = where, found, expected


class UnknownTaskError(InputError):
    """No pack of that task is open."""

    def __init__(self, task: str, *, known: Iterable[str]) -> None:
        names = ", ".join(known) or "none"
        super().__init__(
            f"task {task!r} has no open pack (open: {names}). "
            "Add its pack with Runtime.add(path), or name its folder with --packs."
        )
        self.task = task


class MissingExtraError(EdgeclRuntimeError, ImportError):
    """A part that this call needs is not installed."""

    def __init__(self, module: str, *, extras: Iterable[str], reason: str) -> None:
        lines = _pip(*(f"edgecl-runtime[{extra}]" for extra in extras))
        super().__init__(f"{module} cannot be imported ({reason}). Install it with: {lines}")
        self.module = module
