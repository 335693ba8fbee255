"""Which parts of an image a verdict comes from: the class activation map (Zhou et al. 2016, doi 10.1109/CVPR.2016.319).

A ResNet averages its last feature map and applies a linear head. So the difference of the two logits is the mean, over
the cells of that map, of one linear function of the features, plus a constant. The activation map shows that function.
It needs no second forward pass and is exact for this network; Grad-CAM gives the same map times its number of cells.
"""

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cxr.imaging.geometry import visible_box

Map = NDArray[np.float32]

_AS_STRONG = 0.8
_CENTRAL = 0.1
_HEIGHTS = (("upper", 0.33), ("middle", 0.60), ("lower", 1.0))
"""Zones and where they end, from the top of the visible part: thirds of lungs that end above its lower border."""


def evidence_by_cell(features: torch.Tensor, head: torch.Tensor, covid: int) -> torch.Tensor:
    """Evidence for COVID against NON-COVID in each cell, float32 (…, h, w), in units of the logit.

    Its mean over the cells plus the difference of the biases is the difference of the logits.

    Args:
        features: the last feature map, (…, C, h, w).
        head: the head's weight, (2, C).
        covid: the row of the class COVID in it.
    """
    return torch.einsum("c,...chw->...hw", (head[covid] - head[1 - covid]).float(), features.float())


def activation_map(features: torch.Tensor, head: torch.Tensor, covid: int) -> Map:
    """The class activation map of an image, float32 (h, w): its `evidence_by_cell`, from features (C, h, w)."""
    return evidence_by_cell(features, head.detach(), covid).cpu().numpy()


def net_evidence(evidence: Map, probability: float) -> Map:
    """The positive evidence that an answer rests on, float32 (h, w), in units of the logit; what is drawn of a map.

    A map's mean is what it adds to the logit. Where places for and against COVID cancel, or the bias outweighs them,
    the positive ones alone add more than the answer holds: a probability of 0.01 would get bright spots. So they are
    scaled down, never up, until their mean is at most −ln(1 − probability): that is about the logit where it is large
    and the probability itself where it is small.
    """
    positive = np.maximum(evidence, 0)
    held, total = -math.log1p(-probability) if probability < 1 else math.inf, float(positive.mean())
    return positive if total <= held else np.asarray(positive * (held / total), np.float32)


def resample_to_image(evidence: Map, size: tuple[int, int], input_size: int) -> Map:
    """The map at the resolution of the original image: float32 (height, width), NaN where the crop left it out.

    `size` is the (width, height) of the image, `input_size` the side in pixels of the network's input.
    """
    width, height = size
    left, top, right, bottom = visible_box(size, input_size)
    x = (np.arange(width) + 0.5 - left) / (right - left)
    y = (np.arange(height) + 0.5 - top) / (bottom - top)
    rows, columns = (np.broadcast_to(axis, (height, width)) for axis in (y[:, None], x[None, :]))
    cell_x, cell_y = (
        (share * count - 0.5).astype(np.float32)
        for share, count in zip((columns, rows), evidence.shape[::-1], strict=True)
    )
    remapped = cv2.remap(evidence, cell_x, cell_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    resampled = np.asarray(remapped, np.float32)
    resampled[(rows < 0) | (rows > 1) | (columns < 0) | (columns > 1)] = np.nan
    return resampled


def describe_location(evidence: Map) -> str:
    """Where the evidence for COVID is strongest, in words: a zone of a lung, and a second one if nearly as strong."""
    if evidence.max() <= 0:
        return "nowhere in particular"
    order = np.argsort(-evidence, axis=None, kind="stable")
    strong = order[evidence.flat[order] >= _AS_STRONG * evidence.max()]
    zones = dict.fromkeys(lung_zone(*cell_centre(evidence, int(cell))) for cell in strong)
    return " and ".join(list(zones)[:2])


def lung_zone(x: float, y: float) -> str:
    """The zone, such as "right lower zone", of a point in the visible part, in shares from its top left corner.

    Right is the patient's right, which is on the viewer's left. Lungs are not located: a typical position is assumed.
    """
    side = "central" if abs(x - 0.5) < _CENTRAL else "right" if x < 0.5 else "left"
    height = next(name for name, end in _HEIGHTS if y <= end)
    return f"{side} {height} zone"


def cell_centre(evidence: Map, cell: int) -> tuple[float, float]:
    """The centre (x, y) of a cell by its flat index, in shares of the visible part's width and height."""
    row, column = divmod(cell, evidence.shape[1])
    return (column + 0.5) / evidence.shape[1], (row + 0.5) / evidence.shape[0]
