"""Where a verdict comes from: the class activation map (Zhou et al. 2016, doi 10.1109/CVPR.2016.319).

A ResNet pools its last feature map by the mean and applies a linear head, so the difference of the two logits is the
mean, over places, of one linear function of the features there, plus a constant. The map shows that function. It costs
no second pass and is exact for this network, where Grad-CAM would give the same map times its number of cells.
"""

import cv2
import numpy as np
import torch

from cxr.imaging.geometry import visible_box

_AS_STRONG = 0.8
_CENTRAL = 0.1
_HEIGHTS = (("upper", 0.33), ("middle", 0.60), ("lower", 1.0))
"""Zones and where they end, from the top of what is seen: thirds of lungs that end above its lower border."""


def activation_map(features: torch.Tensor, head: torch.Tensor, covid: int) -> np.ndarray:
    """Evidence for COVID against NON-COVID at each cell, float32 (h, w), in units of the logit.

    Takes the last feature map (C, h, w) and the head's weight (2, C); `covid` is the class's row. Positive values speak
    for COVID; the map's mean plus the difference of the biases is the difference of the logits.
    """
    weight = (head[covid] - head[1 - covid]).detach()
    return torch.einsum("c,chw->hw", weight.float(), features.float()).cpu().numpy()


def resample_to_image(found: np.ndarray, size: tuple[int, int], input_size: int) -> np.ndarray:
    """The map laid over the original picture: float32 (height, width), NaN where the network saw nothing.

    `size` is (width, height) of the picture, whose short side was resized and whose middle was cropped.
    """
    width, height = size
    left, top, right, bottom = visible_box(size, input_size)
    x = (np.arange(width) + 0.5 - left) / (right - left)
    y = (np.arange(height) + 0.5 - top) / (bottom - top)
    rows, columns = (np.broadcast_to(axis, (height, width)) for axis in (y[:, None], x[None, :]))
    shares = zip((columns, rows), found.shape[::-1], strict=True)
    cells = [(share * count - 0.5).astype(np.float32) for share, count in shares]
    laid = cv2.remap(found, *cells, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    laid[(rows < 0) | (rows > 1) | (columns < 0) | (columns > 1)] = np.nan
    return laid


def peak(found: np.ndarray) -> tuple[float, float]:
    """The centre of the strongest cell, as shares of the width and height of what the network sees."""
    return _centre(found, int(found.argmax()))


def describe_location(found: np.ndarray) -> str:
    """In words, where the evidence for COVID lies: the strongest cell's zone, and a second one if nearly as strong."""
    if found.max() <= 0:
        return "nowhere in particular"
    order = np.argsort(-found, axis=None, kind="stable")
    strong = order[found.flat[order] >= _AS_STRONG * found.max()]
    zones = dict.fromkeys(lung_zone(*_centre(found, int(cell))) for cell in strong)
    return " and ".join(list(zones)[:2])


def lung_zone(x: float, y: float) -> str:
    """Such as "right lower zone" for a point of what the network sees, in shares from its top left corner.

    Right is the patient's, which is the viewer's left. Lungs are not searched for: a typical position is assumed.
    """
    side = "central" if abs(x - 0.5) < _CENTRAL else "right" if x < 0.5 else "left"
    height = next(name for name, end in _HEIGHTS if y <= end)
    return f"{side} {height} zone"


def _centre(found: np.ndarray, cell: int) -> tuple[float, float]:
    row, column = divmod(cell, found.shape[1])
    return (column + 0.5) / found.shape[1], (row + 0.5) / found.shape[0]
