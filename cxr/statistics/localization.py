"""Whether a heatmap points at what a person marked: pointing game (Zhang et al. 2018, doi 10.1007/s11263-017-1059-x)
and share of the evidence inside.

A map that knows nothing hits by chance, and one that always points at the same place hits more often than chance where
disease has a usual place. Both are measured on the same images, and so is an untrained network (Adebayo et al. 2018,
arXiv 1810.03292).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxr.schema.heatmaps import HeatmapSummary, Localization
from cxr.statistics import bootstrap

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


def compare(
    maps: Iterable[Map], untrained: Iterable[Map], marked: Sequence[Mask], patients: Sequence[str]
) -> HeatmapSummary | None:
    """What `metrics.json` says of the maps of N images, float (H, W) each, NaN where the network saw nothing.

    `untrained` are maps of the same images by a network with random weights, `marked` what people marked in them, bool
    (H, W), and `patients` the patient of each. An image whose marks the network did not see counts nowhere; None if no
    image is left.
    """
    rows: list[tuple[Pointing, ...]] = []
    kept = []
    images = zip(maps, untrained, usual_places(marked), marked, patients, strict=True)
    for of_model, of_untrained, place, mask, patient in images:
        seen_place = np.where(np.isnan(of_model), np.nan, place)
        pointed = [found for evidence in (of_model, seen_place, of_untrained) if (found := point(evidence, mask))]
        if pointed:  # all three see the same part
            area = pointed[0].area
            rows.append((*pointed, Pointing(area, area, area)))
            kept.append(patient)
    if not rows:
        return None
    given, usual, random, chance = (_localization(way, kept) for way in zip(*rows, strict=True))
    return {
        "n": len(rows),
        "patients": len(set(kept)),
        "class_activation_map": given,
        "chance": chance,
        "usual_place": usual,
        "random_weights": random,
    }


def _localization(pointed: Sequence[Pointing], patients: Sequence[str]) -> Localization:
    """The means of one way of pointing, with 95 % intervals from a bootstrap over patients."""
    pairs = zip(pointed, patients, strict=True)
    known = [(found.inside, patient) for found, patient in pairs if found.inside is not None]
    hits = [found.hits for found in pointed]
    inside = [share for share, _ in known]
    return {
        "pointing_game": float(np.mean(hits)),
        "evidence_inside": float(np.mean(inside)) if inside else None,
        "intervals": {
            "pointing_game": _interval(hits, patients),
            "evidence_inside": _interval(inside, [patient for _, patient in known]),
        },
    }


def _interval(values: Sequence[float], patients: Sequence[str]) -> list[float] | None:
    """The ends of a mean's interval; None with too few patients."""
    if not values:
        return None
    found = bootstrap.interval(bootstrap.ratio_statistic(np.array(values), np.ones(len(values))), patients)
    return None if found is None else [found.low, found.high]
