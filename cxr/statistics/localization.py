"""Whether a heatmap points at what a person marked: pointing game (Zhang et al. 2018, doi 10.1007/s11263-017-1059-x)
and share of the evidence inside.

A map that knows nothing hits by chance, and one that always points at the same place hits more often than chance where
disease has a usual place. Both are measured on the same images, and so is an untrained network (Adebayo et al. 2018,
arXiv 1810.03292).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Box = Sequence[float]
"""Left, top, right and bottom, as shares of the image's width and height."""

Map = NDArray[np.floating]
Mask = NDArray[np.bool_]


class Pointing(NamedTuple):
    """How a map lies over what is marked in one image.

    Attributes:
        hits: 1 if the map's maximum is inside, 0 if it is not; of several equal maxima, the share that is.
        inside: the share of the positive evidence that is inside; None where no evidence is positive.
        area: the marked share of the part that the network saw: what a map without knowledge hits on average.
    """

    hits: float
    inside: float | None
    area: float


def box_mask(boxes: Sequence[Box], size: tuple[int, int]) -> Mask:
    """What lies in any of the boxes, bool (height, width); `size` is (width, height)."""
    width, height = size
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    mask = np.zeros((height, width), bool)
    for left, top, right, bottom in boxes:
        mask |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
    return mask


def point(evidence: Map, marked: Mask) -> Pointing | None:
    """Compare a map, float (H, W) with NaN where the network saw nothing, with what is marked, bool (H, W).

    None where nothing marked was seen.
    """
    seen = ~np.isnan(evidence)
    if not (marked & seen).any():
        return None
    values, inside = evidence[seen], marked[seen]
    positive = values.clip(min=0)
    share = float(positive[inside].sum() / positive.sum()) if positive.sum() > 0 else None
    return Pointing(float(inside[values == values.max()].mean()), share, float(inside.mean()))


def usual_places(marked: Sequence[Mask]) -> list[Map]:
    """For each of N masks of one size, how often each place is marked in the others: float64 (H, W), each a map."""
    total = np.sum(marked, axis=0, dtype=np.float64)
    return [(total - mask) / max(1, len(marked) - 1) for mask in marked]
