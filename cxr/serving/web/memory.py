"""Giving memory back to the system: images come and go, and glibc keeps most of what they took.

On other systems nothing is done.
"""

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def trimming() -> AsyncIterator[None]:
    """Return what is free inside the heaps as well, every few seconds while the server runs (`malloc_trim(3)`)."""
    task = asyncio.create_task(_trim_forever())
    try:
        yield
    finally:
        task.cancel()


async def _trim_forever() -> None:
    trim = _of_glibc("malloc_trim")
    while trim:
        await asyncio.sleep(TRIM_SECONDS)
        await asyncio.to_thread(trim, 0)


def _of_glibc(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
