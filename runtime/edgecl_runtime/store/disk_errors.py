"""A disk that fails is told as one kind of error."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from edgecl_runtime.errors import StoreError

__all__ = ["reports_disk_errors"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def reports_disk_errors(method: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return the method, with StoreError in place of OSError."""

    @wraps(method)
    def reporting(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return method(*args, **kwargs)
        except OSError as error:
            raise StoreError(
                str(error.filename or "the device store"),
                found=error.strerror or str(error),
                expected="a disk that can be read and written",
                retryable=True,
            ) from error

    return reporting
