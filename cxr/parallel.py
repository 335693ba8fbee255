"""Work in other threads or processes, some items ahead of the caller; processes that end with their parent."""

import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_WATCH_SECONDS = 0.5
_ACCELERATE = re.compile(rb"(.*/)?accelerate(-launch)?|accelerate\.commands\..*")
_LAUNCHER_GRACE = 60.0
"""Seconds in which a process must have saved its checkpoint once its launcher has ended."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], max_pending: int
) -> Iterator[Result]:
    """The results of `function` for all items, in their order.

    At most `max_pending` items and one are in work or waiting to be taken. `Executor.map` would submit all items at
    once and keep every result until the caller takes it.
    """
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > max_pending:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def end_with_parent(grace: float = 0.0) -> None:
    """Have this process end soon after the one that started it, however that ends; call it first in a new process.

    A process that waits for its parent's next message would otherwise wait for ever: its siblings keep the pipe open.
    With `grace` seconds it gets SIGTERM first, and so much time to end by itself.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        if grace:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


def end_with_launcher() -> None:
    """Have a training process stop as by SIGTERM, so that its checkpoint is saved, when what launched it has ended.

    torchrun's processes otherwise wait for ever once it was killed, and `accelerate launch` ends on SIGTERM without a
    word to its one process, which then goes on alone.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ or _is_accelerate(os.getppid()):
        end_with_parent(_LAUNCHER_GRACE)


def _is_accelerate(process: int) -> bool:
    """Whether a process is `accelerate launch` (Linux)."""
    try:
        arguments = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(_ACCELERATE.fullmatch(argument) for argument in arguments[:3])
