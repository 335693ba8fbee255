"""The audit's probes: their names, their words, and from which score on a probe is flagged.

A probe is a small classifier that is shown everything but the lungs. A high score says that the label can be guessed
without them. Audit, judgement, cards and README describe a probe with the same words.
"""

from dataclasses import dataclass

LUNG_BOX = (0.70, 0.78)
"""Width and height, as shares of what the model sees, of the central box that stands for the lungs.

The audit blacks it out where a dataset has no lung masks; phantoms keep every opacity inside it.
"""

FLAG_AUROC = 0.70
FLAG_LOW = 0.60
"""A probe is flagged if its AUROC is at least `FLAG_AUROC` and the lower end of its interval above `FLAG_LOW`."""

_HIDDEN = {
    "masks": "by their masks",
    "box": f"the central {100 * LUNG_BOX[0]:.0f} % × {100 * LUNG_BOX[1]:.0f} %",
}


@dataclass(frozen=True)
class ProbeWords:
    """What a probe is shown: in a few words for sentences and tables, and precisely for a report."""

    short: str
    long: str


PROBES = {
    "source": ProbeWords("the source's name alone", "the source's name alone"),
    "file": ProbeWords("facts of the raw file alone", "the raw file's width, height, aspect, mode and format"),
    "border": ProbeWords(
        "the border alone",
        "the image's border: the outer 10 % of what the model sees, and the margin that its crop cuts off",
    ),
    "border_in_view": ProbeWords("the border that the model sees", "the outer 10 % of what the model sees"),
    "lungs_blacked_out": ProbeWords(
        "the image with its lungs blacked out", "what the model sees, with the lungs ({}) blacked out"
    ),
}
"""By the name that `report.json` gives the probe, in the order of the report."""


def shown(name: str, lungs: str) -> str:
    """What the probe is shown, precisely; `lungs` is how they are blacked out, by `masks` or by the central `box`."""
    return PROBES[name].long.format(_HIDDEN[lungs])


def is_flagged(auroc: float, low: float) -> bool:
    """Whether a score and the lower end of its interval show that the label can be guessed in this way."""
    return auroc >= FLAG_AUROC and low > FLAG_LOW
