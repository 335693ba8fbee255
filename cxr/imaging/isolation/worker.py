"""The process that decodes: one file after another from its standard input, until that ends.

It starts in a quarter of a second, because it imports numpy and the decoders alone.
"""

import os
import signal
import sys
from io import FileIO
from typing import BinaryIO, cast

from cxr.errors import UnreadableImage
from cxr.imaging import radiograph
from cxr.imaging.isolation import messages
from cxr.imaging.limits import MAX_FILE_BYTES, TOO_MUCH_MEMORY
from cxr.parallel import end_with_parent

MEMORY_BYTES = 896 << 20
"""Of memory that one file may take beyond what the process holds at its start, so that both stay below a gigabyte."""

CPU_SECONDS = 4.0
"""Of processor time that one file may take."""

IDLE_SECONDS = 20
"""After which a process without work ends, so that its memory is free."""

READY_BYTES = 1000
"""Limit to the first message, which says that the process can decode."""


def main(memory_bytes: int, niceness: int) -> None:
    """Decode until the standard input ends, with a limit of memory for all files."""
    if niceness and sys.platform != "win32":
        os.nice(niceness)
    requests, answers = (cast(BinaryIO, FileIO(os.dup(number), mode)) for number, mode in ((0, "r"), (1, "w")))
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # some decoders print
    end_with_parent()
    _limit_memory(memory_bytes)
    messages.send(answers, {"ready": True}, b"")
    while _has_request(requests):
        try:
            settings, content = messages.receive(requests, MAX_FILE_BYTES)
        except EOFError:
            break
        raw = bytes(content)
        del content  # a large file would be held twice
        _answer(answers, settings, raw)


def _answer(answers: BinaryIO, settings: messages.Facts, raw: bytes) -> None:
    key = settings["patient_key"]
    try:
        with _TimeLimit(settings["cpu_seconds"]):
            read = radiograph.decode(raw, settings["min_short_side"], key and bytes.fromhex(key), is_cheap=False)
    except UnreadableImage as error:
        messages.send(answers, {"refused": error.reason}, b"")
        if error.reason == TOO_MUCH_MEMORY:
            sys.exit()  # who knows what a decoder has left behind
        return
    messages.send_radiograph(answers, read)


def _has_request(requests: BinaryIO) -> bool:
    if sys.platform == "win32":
        return True
    import select

    return bool(select.select([requests], [], [], IDLE_SECONDS)[0])


def _limit_memory(size: int) -> None:
    """Limit address space on Linux; elsewhere the kernel does not enforce it. No core file holds a patient's image."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm", encoding="ascii") as stream:
        held = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + size,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _TimeLimit:
    """Ends this process if the block takes too much processor time; other processes' work does not count."""

    def __init__(self, seconds: float):
        self._seconds = seconds

    def __enter__(self) -> None:
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, self._seconds)

    def __exit__(self, *error: object) -> None:
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_PROF, 0)
