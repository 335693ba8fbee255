"""The other side: starts decoding processes, gives each one file at a time, and replaces those that ended."""

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from cxr.errors import UnreadableImage, UserError
from cxr.imaging.isolation import messages, worker
from cxr.imaging.limits import DAMAGED, TOO_MUCH_MEMORY, TOO_SLOW
from cxr.imaging.radiograph import Radiograph
from cxr.parallel import cores

SECONDS = 10
"""Time limit for one file by the clock, for machines too busy to reach the limit of processor time before."""

_START_SECONDS = 60
_MAX_PROCESSES = 8
_ATTEMPTS = 2
_NICENESS = 5
_ROOT = Path(__file__).resolve().parents[3]
_START = f"from {worker.__name__} import main; main({{}}, {{}})"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")


class _EndedError(Exception):
    """A process ended over a file; `reason` is why, and `is_file` whether the file is known to be the cause."""

    def __init__(self, reason: str, is_file: bool):
        super().__init__(reason)
        self.reason = reason
        self.is_file = is_file


class _Worker:
    """One process.

    Raises:
        UserError: if it cannot be started.
    """

    def __init__(self, niceness: int) -> None:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START.format(worker.MEMORY_BYTES, niceness)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD | {"PYTHONPATH": path},
            )
            self._requests, self._answers = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
            with self._killed_after(_START_SECONDS):
                messages.receive(self._answers, worker.READY_BYTES)
        except (OSError, EOFError) as error:
            raise UserError(f"the process that decodes images cannot be started ({error}): free some memory") from error
        threading.Thread(target=self._process.wait, daemon=True).start()  # or it would stay a zombie once it has ended

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def decode(self, raw: bytes, settings: messages.Facts) -> Radiograph | str:
        """What a file gave, or the reason why it was refused.

        Raises:
            _EndedError: if the process ended instead.
        """
        start = time.monotonic()
        try:
            with self._killed_after(SECONDS):
                messages.send(self._requests, settings, raw)
                return messages.receive_radiograph(self._answers)
        except (OSError, EOFError):
            self.end()
        code = self._process.returncode
        if code == -getattr(signal, "SIGPROF", 0) or time.monotonic() - start >= SECONDS:
            raise _EndedError(TOO_SLOW, is_file=True)
        killed = code == -getattr(signal, "SIGKILL", 0)  # by the system, which had no memory left, or by a person
        raise _EndedError(TOO_MUCH_MEMORY if killed else DAMAGED, is_file=False)

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.disconnect()
        self._process.kill()
        self._process.wait()

    def disconnect(self) -> None:
        """Close this process's ends of the pipes."""
        for stream in (self._requests, self._answers):
            with suppress(OSError):
                stream.close()


class _Pool:
    """Processes that are started when they are needed, as many as there are cores."""

    def __init__(self, niceness: int = 0) -> None:
        self.niceness = niceness
        self._places = threading.BoundedSemaphore(min(cores(), _MAX_PROCESSES))
        self._idle: deque[_Worker] = deque()
        self._all: set[_Worker] = set()

    def decode(self, raw: bytes, settings: messages.Facts) -> Radiograph:
        """Decode in the next process that is free, once more in a new one if the file need not be why it ended."""
        reason = ""
        with self._places:
            for _ in range(_ATTEMPTS):
                process = self._take()
                try:
                    answer = process.decode(raw, settings)
                except _EndedError as error:
                    self._all.discard(process)
                    reason = error.reason
                    if error.is_file:
                        break
                else:
                    self._idle.append(process)
                    if isinstance(answer, Radiograph):
                        return answer
                    raise UnreadableImage(answer)
        raise UnreadableImage(reason)

    def _take(self) -> _Worker:
        """A process without work.

        Raises:
            UserError: if none is there and none can be started.
        """
        with suppress(IndexError):
            while True:
                process = self._idle.pop()
                if process.is_alive:
                    return process
                process.disconnect()
                self._all.discard(process)
        started = _Worker(self.niceness)
        self._all.add(started)
        return started

    def end(self) -> None:
        """End all processes."""
        for process in list(self._all):
            process.end()

    def disconnect(self) -> None:
        """Close the pipes to all processes, which belong to another process."""
        for process in list(self._all):
            process.disconnect()


_pool = _Pool()


def decode(raw: bytes, min_short_side: int | None = None, patient_key: bytes | None = None) -> Radiograph:
    """What `cxr.imaging.radiograph.decode` does, in another process.

    Raises:
        UnreadableImage: also if it takes too much time or memory, or the decoder crashes.
        UserError: if no process can be started.
    """
    key = None if patient_key is None else patient_key.hex()
    settings = {"min_short_side": min_short_side, "patient_key": key, "cpu_seconds": worker.CPU_SECONDS}
    return _pool.decode(raw, settings)


def lower_priority() -> None:
    """Have decoding processes that start from now on yield to the other work of a busy machine."""
    _pool.niceness = _NICENESS


def _forget() -> None:
    """In a forked process: without this, the parent's processes would not see the parent end while this one lives."""
    global _pool
    _pool.disconnect()
    _pool = _Pool(_pool.niceness)


atexit.register(lambda: _pool.end())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
