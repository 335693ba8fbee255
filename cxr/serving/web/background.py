"""What the server does now and then while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def repeated(work: Callable[[], object], seconds: float) -> AsyncIterator[None]:
    """Do `work` in a thread, every so many seconds, until the block ends; an `OSError` waits for the next time."""
    task = asyncio.create_task(_repeat(work, seconds))
    try:
        yield
    finally:
        task.cancel()


async def _repeat(work: Callable[[], object], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        with suppress(OSError):
            await asyncio.to_thread(work)
