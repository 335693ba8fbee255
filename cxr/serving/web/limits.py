"""What a visitor may ask of the server: the limits as numbers, and the time limit of an answer."""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from cxr.errors import UserError

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
                raise UserError("the app is busy with other requests: try again in a minute") from None
            raise UserError(f"the answer took longer than {self._seconds:g} seconds: use a smaller image") from None
