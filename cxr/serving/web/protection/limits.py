"""What a visitor may ask of the server: the limits as numbers, and the time limit of an answer."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from cxr.errors import UserError
from cxr.imaging.formats.cost import is_cheap
from cxr.imaging.reader import Radiograph

MAX_FILE_SIZE = "50 MB"
MAX_FILE_BYTES = 50 << 20
"""`MAX_FILE_SIZE` in bytes, as gradio counts them."""

MAX_IMAGES = 200
"""Images that the page answers at a time."""

MAX_WAITING = 64
"""Requests that may wait; later ones are told that the app is busy."""

ANSWER_SECONDS = 60
"""Time limit for one answer; the largest images that the reader takes need a few seconds."""

UPLOAD_REQUEST_BYTES, OTHER_REQUEST_BYTES = 2 << 30, 100 << 20
"""Uploads go to disk, and two gigabytes are 200 large DICOM files; every other request is held in memory."""

SESSIONS = 128
"""Visits of which gradio keeps a state, 80 kB each, every request of the API being one; the app itself needs none."""

CONCURRENT_REQUESTS = 8
"""Requests of the API, and of the page, that are in work: most of them wait for their turn (`TimeLimit`)."""

_COSTLY_AT_ONCE, _COSTLY_WAITING = 1, 3
BUSY = "the app is busy with other requests: try again in a minute"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class TimeLimit:
    """Runs functions in the order of the calls, a few at once, and gives up on one that takes too long.

    Each image of a batch is a call of its own, so that other visitors are answered in between. A thread cannot be
    killed: one that was given up on keeps its place until it ends, so at most `concurrency` can pile up. Few threads
    also keep memory together, because each that ever decoded an image holds on to some of it.
    """

    def __init__(self, seconds: float = ANSWER_SECONDS, concurrency: int = 2):
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="answer")

    def __call__(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run `function` and return its result; it runs in the caller's context, which ZeroGPU reads.

        Raises:
            UserError: if it does not end in time.
        """
        context = contextvars.copy_context()
        job = self._threads.submit(partial(context.run, function, *args, **kwargs))
        try:
            return job.result(self._seconds)
        except TimeoutError:
            if job.done():
                raise
            if job.cancel():
                raise UserError(BUSY) from None
            raise UserError(f"the answer took longer than {self._seconds:g} seconds: use a smaller image") from None


class CostlyFiles:
    """Reads files that are not plainly cheap to decode beside the answers, so that no answer waits for one of them.

    Few are read at once and few may wait; further ones are refused. They are decoded by processes that can be ended.
    """

    def __init__(self, seconds: float = ANSWER_SECONDS, at_once: int = _COSTLY_AT_ONCE, waiting: int = _COSTLY_WAITING):
        self._seconds = seconds
        self._working = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting)

    def __call__(self, read: Callable[[bytes], Radiograph], content: bytes) -> Radiograph:
        """Read a file when its turn comes.

        Raises:
            UserError: if too many others wait already, or it takes too long until its turn.
        """
        if not self._places.acquire(blocking=False):
            raise UserError(BUSY)
        try:
            if not self._working.acquire(timeout=self._seconds):
                raise UserError(BUSY)
            try:
                return read(content)
            finally:
                self._working.release()
        finally:
            self._places.release()


class Turns:
    """How the page and the API use one predictor: `TimeLimit` for answers, `CostlyFiles` for what is costly to read."""

    def __init__(self, read: Callable[[bytes], Radiograph], time_limit: TimeLimit | None = None):
        self._read = read
        self._time_limit = time_limit or TimeLimit()
        self._costly = CostlyFiles()

    def __call__(self, answer: Callable[[Radiograph], Result], content: bytes) -> Result:
        """Read a file and answer for it.

        Raises:
            UserError: if it cannot be read, or takes too long.
        """
        if is_cheap(content):
            return self._time_limit(self._read_and_answer, answer, content)
        return self._time_limit(answer, self._costly(self._read, content))

    def _read_and_answer(self, answer: Callable[[Radiograph], Result], content: bytes) -> Result:
        return answer(self._read(content))
