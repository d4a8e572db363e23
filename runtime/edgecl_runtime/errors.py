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
        TensorRtError           3   TensorRT, its provider or a GPU is missing, or they do not fit together
        SwitchingError          3   another task does not change the output on this device
      InputError (ValueError)   2   fix the call
        FieldError              2   a key of a record has a wrong value
        UnknownTaskError        2   no pack of that task is open
      MissingExtraError (ImportError)   1   install the part that is named
      UpdateError               1   nothing was installed; what runs keeps running
        TransferError           4   the network, the server or the drive: try again later
        IntegrityError          5   the bytes are not what was signed
        RollbackError           5   older than what this device has already seen
        FreezeError             5   signed too long ago
        CounterError            5   a release counter is lower than the one installed, or gone
        TamperError             5   a file says other than the signed record of it
        ReleaseError            3   a signed record is not understood
        IncompatibleError       3   the release is not for this device
        UpdateProbeError        3   the new set failed its probe here and was taken back
        ClockError              1   set the clock
        QuotaError              1   make room, or allow more bytes
        StoreError              1   the device store cannot be read or written
        StateLostError          1   the record of what was seen is gone
        UpdateBusyError         1   another updater is at work

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
    "ClockError",
    "CounterError",
    "EdgeclRuntimeError",
    "FieldError",
    "FreezeError",
    "IncompatibleError",
    "InputError",
    "IntegrityError",
    "MissingExtraError",
    "PackConflictError",
    "PackDigestError",
    "PackError",
    "PackFormatError",
    "PackMismatchError",
    "PackTooNewError",
    "ProbeMismatchError",
    "ProviderError",
    "QuotaError",
    "ReleaseError",
    "RollbackError",
    "StateLostError",
    "StoreError",
    "SwitchingError",
    "TamperError",
    "TensorRtError",
    "TransferError",
    "UnknownTaskError",
    "UpdateBusyError",
    "UpdateError",
    "UpdateProbeError",
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


class SwitchingError(BundleError):
    """Another task does not change the output on this device."""

    def __init__(self, where: str, *, backend: str, found: float) -> None:
        super().__init__(
            f"{where}: with the {backend} backend two tasks give features that differ by {found:.3g}, expected a "
            "difference: the execution provider ignores the tensors of a task. Export the bundle again for a "
            "device profile whose provider takes them: edgecl export RUN --device NAME --out BUNDLE"
        )
        self.where, self.backend, self.found = where, backend, found


class TensorRtError(BundleError):
    """TensorRT, its provider or a GPU is missing, or they do not fit together."""

    def __init__(self, where: str, *, found: str, expected: str, fix: str) -> None:
        super().__init__(f"{where}: found {found}, expected {expected}. {fix}")
        self.where, self.found, self.expected = where, found, expected


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


class UpdateError(EdgeclRuntimeError):
    """Nothing was installed; what runs keeps running.

    Attributes:
        where: The file, role, task or address it is about.
        reason: A stable code for machines: the kind of error, or a narrower one.
        retryable: Whether the same update may succeed later without anybody doing something.
    """

    reason: str = "update"
    retryable: bool = False
    advice: ClassVar[str] = "What is installed keeps running."

    def __init__(
        self,
        where: str,
        *,
        found: str,
        expected: str,
        reason: str = "",
        advice: str = "",
        retryable: bool | None = None,
    ) -> None:
        super().__init__(f"{where}: found {found}, expected {expected}. {advice or self.advice}")
        self.where, self.found, self.expected = where, found, expected
        self.reason = reason or self.reason
        self.retryable = self.retryable if retryable is None else retryable


class TransferError(UpdateError):
    """The network, the server or the drive did not deliver; `retry_after_s` is what a server asked for."""

    exit_code = 4
    reason = "transfer"
    retryable = True
    advice = "Try again later; what is installed keeps running, and what was fetched is kept."

    def __init__(
        self,
        where: str,
        *,
        found: str,
        expected: str,
        reason: str = "",
        advice: str = "",
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(
            where, found=found, expected=expected, reason=reason, advice=advice, retryable=retryable
        )
        self.retry_after_s = retry_after_s


class IntegrityError(UpdateError):
    """The bytes are not what was signed."""

    exit_code = 5
    reason = "integrity"
    advice = (
        "They were not used; what is installed keeps running. Check the repository with: edgecl repo check"
    )


class RollbackError(UpdateError):
    """Older than what this device has already seen."""

    exit_code = 5
    reason = "rollback"
    advice = "Somebody serves an old copy of the repository, or it was restored from one: publish it anew."


class FreezeError(UpdateError):
    """Signed too long ago: nobody knows whether it is still the newest."""

    exit_code = 5
    reason = "freeze"
    advice = "Sign it again with: edgecl repo resign. If that was done, this device is shown an old copy."


class CounterError(UpdateError):
    """A release counter is lower than the one installed, or gone."""

    exit_code = 5
    reason = "counter"
    advice = "Release it again under a higher counter with: edgecl repo add"


class TamperError(UpdateError):
    """A file says other than the signed record of it."""

    exit_code = 5
    reason = "tamper"
    advice = "It was not installed. Release the file again, so that its record is made from it."


class ReleaseError(UpdateError):
    """A signed record is not understood."""

    exit_code = 3
    reason = "release"
    advice = "It was passed over. Update edgecl-runtime, or release it again."


class IncompatibleError(UpdateError):
    """The release is not for this device."""

    exit_code = 3
    reason = "incompatible"
    advice = "It was passed over, and nothing of it was fetched."


class UpdateProbeError(UpdateError):
    """The new set failed its probe on this device and was taken back."""

    exit_code = 3
    reason = "probe"
    advice = "It is not tried again until it is released under a higher counter."


class ClockError(UpdateError):
    """The clock of this device cannot be right."""

    reason = "clock"
    retryable = True
    advice = "Set the clock of this device; what is installed keeps running."


class QuotaError(UpdateError):
    """There is no room for it, or no bytes are left for today."""

    reason = "quota"
    retryable = True
    advice = "Make room, or raise the quota; nothing was fetched."


class StoreError(UpdateError):
    """The device store cannot be read or written."""

    reason = "store"
    advice = "Check the drive and the rights of its folder; the previous state was kept."


class StateLostError(UpdateError):
    """The record of what this device has seen is gone."""

    reason = "state-lost"
    advice = "Update while the repository can be reached: it must be at least as new as what is installed."


class UpdateBusyError(UpdateError):
    """Another updater is at work on this store."""

    reason = "busy"
    retryable = True
    advice = "Wait until it is done."
