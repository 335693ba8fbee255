"""A limit to how long one question may take, and to how many are worked on at once."""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cxr.errors import UserError

ANSWER_SECONDS = 60
"""How long anybody waits for one answer; the largest pictures that the reader takes need a few."""

Result = TypeVar("Result")


class Patience:
    """Runs questions in the order in which they come, a few at once, and ends the wait for one that takes too long.

    A batch asks anew for every picture, so that other visitors' questions are answered between its own. A thread cannot
    be killed: one that is given up on keeps its place until it is done, and no more than `at_once` can ever pile up.
    Few threads also keep memory together: each that ever decoded a picture holds on to some of it.
    """

    def __init__(self, seconds: float = ANSWER_SECONDS, at_once: int = 2):
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="answer")

    def __call__(self, function: Callable[..., Result], *args: object) -> Result:
        """What `function` returns or raises, called in the caller's context (where ZeroGPU finds whose turn it is).

        Raises:
            UserError: if it has not come to an end in time.
        """
        job = self._threads.submit(contextvars.copy_context().run, function, *args)
        try:
            return job.result(self._seconds)
        except TimeoutError:
            if job.done():
                raise
            if job.cancel():
                raise UserError("the app is busy with other questions: try again in a minute") from None
            raise UserError(f"the answer took longer than {self._seconds:g} seconds: give a smaller picture") from None
