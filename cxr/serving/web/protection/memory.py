"""Giving memory back to the system: images come and go, and glibc keeps most of what they took.

On other systems nothing is done.
"""

import ctypes
import sys
from contextlib import AbstractAsyncContextManager, nullcontext

from cxr.serving.web.background import repeated

TRIM_SECONDS = 20

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_MMAP_THRESHOLD, _ARENAS = 1 << 20, 2


def return_freed() -> None:
    """Have glibc return the memory of decoded images as soon as it is freed.

    By default it raises the size from which it does so with every image that it frees, and keeps a heap for every
    thread that ever held one (`mallopt(3)`).
    """
    mallopt = _of_glibc("mallopt")
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        mallopt(_M_ARENA_MAX, _ARENAS)


def trimming() -> AbstractAsyncContextManager[None]:
    """Return what is free inside the heaps as well, every few seconds while the server runs (`malloc_trim(3)`)."""
    trim = _of_glibc("malloc_trim")
    return repeated(lambda: trim(0), TRIM_SECONDS) if trim else nullcontext()


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
