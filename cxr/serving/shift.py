"""Says when many images look unlike those that the model was validated on, for the terminal and the page's table."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from cxr.schema.gate import ValidationDistribution
from cxr.serving.answer import Answer
from cxr.statistics.shift import Reference, Shift, compare, compare_refused

MIN_IMAGES = 30
"""With fewer answers nothing is said: chance would decide."""

_Number = Literal["gate_score", "probability"]
_NAMES: dict[_Number, str] = {"gate_score": "out-of-distribution scores", "probability": "probabilities"}


def shift_sentence(known: ValidationDistribution | None, answers: Iterable[Answer | None]) -> str:
    """The warning for a batch of answers; empty where it looks like validation, or cannot be compared with it.

    Images that the gate refused count as well: where most are refused, the batch is another kind of image. The
    probabilities are those of the images that it passed, because the others have none that means anything.
    """
    given = [answer for answer in answers if answer is not None]
    if known is None or len(given) < MIN_IMAGES:
        return ""
    found = [words for words, shift in _comparisons(known, given) if shift.is_shifted]
    if not found:
        return ""
    return (
        f"These {len(given)} images differ from those it was validated on: {'; '.join(found)}. The published results "
        "need not hold for them."
    )


def _comparisons(known: ValidationDistribution, answers: Sequence[Answer]) -> Iterator[tuple[str, Shift]]:
    """What was compared, in words, and what came out."""
    scores = [answer.gate_score for answer in answers if answer.gate_score is not None]
    probabilities = [answer.probability for answer in answers if answer.gate_passed is not False]
    refused, before = len(answers) - len(probabilities), sum(part["refused"] for part in known.values())
    n = sum(part["n"] for part in known.values())
    yield (
        f"the out-of-distribution gate refuses {refused} of them, and of {n} validation images {before}",
        compare_refused(refused, len(answers), before, n),
    )
    values: dict[_Number, list[float]] = {"gate_score": scores, "probability": probabilities}
    for name, numbers in values.items():
        if len(numbers) >= MIN_IMAGES:
            shift = compare(np.array(numbers), [Reference(part["n"], part[name]) for part in known.values()])
            yield f"their {_NAMES[name]} are others (distance {shift.distance:.2f} of 1)", shift
