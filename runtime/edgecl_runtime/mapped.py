"""Files mapped into memory that hold no file descriptor.

An `mmap.mmap` keeps a duplicate of its descriptor for resizing (until `trackfd=False` of Python 3.13), so that a
thousand open packs would reach the usual limit of a process. POSIX does not need one: a mapping outlives the
descriptor it was made from. Here libc is asked directly, and where there is no libc to ask, `mmap.mmap` does it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from typing import Any

__all__ = ["map_file"]

_FAILED = ctypes.c_void_p(-1).value


def map_file(descriptor: int, size_bytes: int) -> memoryview:
    """Return the first `size_bytes` of an open file as a read-only view; the file may be closed afterwards.

    Reading past the end of a file that was cut meanwhile ends the process, as with every mapping.

    Raises:
        OSError: the file cannot be mapped.
        ValueError: `size_bytes` is not positive.
    """
    if size_bytes <= 0:
        raise ValueError(f"cannot map {size_bytes} bytes")
    if _LIBC is None:
        return memoryview(mmap.mmap(descriptor, size_bytes, access=mmap.ACCESS_READ))
    address = _LIBC.mmap(None, size_bytes, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    content = (ctypes.c_ubyte * size_bytes).from_address(address)
    # Every view keeps `content` alive. At exit the system unmaps, after the last thread that may still read.
    weakref.finalize(content, _LIBC.munmap, address, size_bytes).atexit = False
    return memoryview(content).cast("B").toreadonly()


def _load_libc() -> Any:
    """Return the C library of this process, or None where there is none with `mmap`."""
    if os.name != "posix":
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_long,
        )
        libc.munmap.restype = ctypes.c_int
        libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    except (OSError, AttributeError):
        return None
    return libc


_LIBC = _load_libc()
