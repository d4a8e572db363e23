"""What the client of python-tuf refuses, in the words of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tuf.api import exceptions
from tuf.api.serialization import DeserializationError

from edgecl_runtime.errors import IntegrityError, RollbackError, StoreError, TransferError, UpdateError
from edgecl_runtime.ota.clock import TrustedTime
from edgecl_runtime.ota.origin import Origin

__all__ = ["in_our_words"]

_SIGNED = "metadata as it was signed"


@contextmanager
def in_our_words(origin: Origin, time: TrustedTime) -> Iterator[None]:
    """Turn every error of python-tuf into one of this package.

    Raises:
        TransferError: the repository does not have a file that it names.
        IntegrityError: a signature, a hash, a length or the form is wrong.
        RollbackError: a version is lower than a known one, or a role is gone.
        FreezeError: it has expired.
        ClockError: the clock of the device says that it has expired, and the server disagrees.
        StoreError: the metadata cannot be kept.
    """
    try:
        yield
    except exceptions.DownloadHTTPError as error:
        if isinstance(error.__cause__, TransferError):
            raise error.__cause__ from None
        raise
    except exceptions.ExpiredMetadataError as error:
        raise time.expired(_where(error), server_time=origin.server_time) from error
    except exceptions.RepositoryError as error:
        raise _verdict(error) from error
    except OSError as error:
        raise StoreError("metadata", found=str(error), expected="a folder that can be written") from error


def _verdict(error: exceptions.RepositoryError) -> UpdateError:
    where, found = "metadata", str(error)[:300]
    if isinstance(error, exceptions.BadVersionNumberError):
        return RollbackError(where, found=found, expected="versions that never go down", reason="version")
    if isinstance(error, exceptions.UnsignedMetadataError):
        return IntegrityError(where, found=found, expected=_SIGNED, reason="signature")
    if isinstance(error, exceptions.LengthOrHashMismatchError):
        return IntegrityError(where, found=found, expected=_SIGNED, reason="hash")
    if isinstance(error, DeserializationError):
        return IntegrityError(where, found=found, expected=_SIGNED, reason="format")
    # What is left are roles that the snapshot does not name, or no longer.
    return RollbackError(where, found=found, expected="every role that was there", reason="role-removed")


def _where(error: exceptions.ExpiredMetadataError) -> str:
    return next((word for word in str(error).split() if word.endswith(".json")), "metadata")
