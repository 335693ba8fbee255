"""What every command line shares: one clear line for bad input, exit code 2, no traceback."""

import argparse
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

from cxr.errors import UserError, disk_problem, one_line

_SIGNALLED = 128


_SPINS = "3000"
_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def let_threads_sleep() -> None:
    """Have OpenMP's threads spin only briefly where they wait for each other; call it before torch is imported.

    They spin for milliseconds by default, which burns the processor that a busy neighbour would need to let them go on:
    a step then takes a multiple of its time (`benchmarks/neighbours.py`). What the user has set stays. libgomp, which
    torch uses on Linux, reads `GOMP_SPINCOUNT` when it is loaded.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def make_folder(flag: str, folder: Path) -> Path:
    """Create the folder that a flag names, before any work whose results are to lie there.

    Raises:
        UserError: if it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{flag} {folder} cannot be created ({error.strerror}): name another") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"{flag} {folder} cannot be written to: name another")
    return folder


class OneLineErrors(argparse.ArgumentParser):
    """An argument parser whose errors are one line; the usage is shown by `--help` alone."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and one line."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


class Main(Protocol):
    """A command that can be called with arguments; without any it takes those of the process."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run it and return the exit code."""


def command(main: Callable[[Sequence[str] | None], int | None]) -> Main:
    """Wrap a `main(argv)`: a `UserError` becomes one line on stderr and exit code 2; other errors still raise.

    So does a disk that is full, read-only or closed to this user, whatever library met it. Where several processes meet
    the same error (`accelerate launch`, `torchrun`), only the first one prints it.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            code = main(argv) or 0
            sys.stdout.flush()
            return code
        except UserError as error:
            if os.environ.get("RANK", "0") == "0":
                print(f"error: {one_line(error)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except Exception as error:
            problem = disk_problem(error)
            if problem is None:
                raise
            print(f"error: {problem}: free some space or name another folder, then run it again", file=sys.stderr)
            _close_stdout_if_full()
            return 2

    return run


def _close_stdout_if_full() -> None:
    """Otherwise Python meets the same error again when it ends, and says so in lines of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end_on_signals() -> None:
    """Have SIGTERM and SIGHUP end this process as `sys.exit` does: by default nothing would be cleaned up.

    Signals can be handled in the main thread alone; elsewhere, as in a notebook, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # there is no SIGHUP on Windows
        if number is not None:
            signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(_SIGNALLED + number)
