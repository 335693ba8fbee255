"""Decoding in processes of their own, which can be ended: for files that are not plainly cheap (`formats.cost`).

A thread cannot be ended, and neither can one process of a `ProcessPoolExecutor`. These processes have a limit of memory
and a limit of time each, decode one file after another, and end with the process that started them.
"""

from cxr.imaging.isolation.pool import decode, lower_priority

__all__ = ["decode", "lower_priority"]
