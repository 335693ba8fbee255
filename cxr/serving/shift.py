"""Says when many images look unlike those that the model was validated on, for the terminal and the page's table."""

from collections.abc import Callable, Iterable

import numpy as np

from cxr.schema.metrics import ValidationDistribution
from cxr.serving.answer import Answer
from cxr.statistics.shift import Reference, Shift, compare

MIN_IMAGES = 30
"""With fewer answers nothing is said: chance would decide."""

_NUMBERS = ("gate_score", "probability")
_NAMES = {"gate_score": "the out-of-distribution scores", "probability": "the probabilities"}
_Number = Callable[[Answer], float | None]


def shift_sentence(known: ValidationDistribution | None, answers: Iterable[Answer | None]) -> str:
    """The warning for a batch of answers; empty where it looks like validation, or cannot be compared with it.

    Images that the gate refused count as well: where most are refused, the batch is another kind of image. The
    probabilities are those of the images that it passed, because the others have none that means anything.
    """
    given = [answer for answer in answers if answer is not None]
    if known is None or len(given) < MIN_IMAGES:
        return ""
    found = {name: shift for name, shift in _shifts(known, given).items() if shift.is_shifted}
    if not found:
        return ""
    parts = " and ".join(f"{_NAMES[name]} (distance {shift.distance:.2f} of 1)" for name, shift in found.items())
    return (
        f"These {len(given)} images differ from those it was validated on, by {parts}. The published results need not "
        "hold for them."
    )


def _shifts(known: ValidationDistribution, answers: list[Answer]) -> dict[str, Shift]:
    scores = [answer.gate_score for answer in answers if answer.gate_score is not None]
    passed = [answer.probability for answer in answers if answer.gate_passed is not False]
    values = {"gate_score": scores, "probability": passed}
    return {
        name: compare(np.array(values[name]), [Reference(part["n"], part[name]) for part in known.values()])  # type: ignore[literal-required]
        for name in _NUMBERS
        if len(values[name]) >= MIN_IMAGES
    }
