"""What the model sees of an image, and the regions of it that the probes see: its border, or all but its lungs.

The model sees the central square of 87.5 % of the short side. Images are reduced to `CELLS` × `CELLS` cells, each with
its mean and its range of gray: a letter or an arrow too small to change a mean still changes a range.
"""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from cxr.imaging.geometry import CROP_PCT
from cxr.schema.probes import LUNG_BOX

CELLS, _CELL_PIXELS = 20, 8
_SIDE = CELLS * _CELL_PIXELS
_BORDER, _OUTER_BORDER = 2, 3
"""Cells from the edge: 10 % of what the model sees; 15 % of the whole image, which reaches no farther inwards."""

_MASK_MARGIN = 5
"""Pixels of `_SIDE` (3 %) by which lung masks grow, because outlines tend to end inside the lung."""


class Regions(NamedTuple):
    """Features of one image, uint8 vectors of fixed lengths; `masked` is None where no lung mask is known.

    `border` is the outer 10 % of what the model sees; `outer_border` the outer 15 % of the whole image, most of which
    the model's crop cuts off; `boxed` and `masked` are what the model sees with the lungs blacked out.
    """

    border: np.ndarray
    outer_border: np.ndarray
    boxed: np.ndarray
    masked: np.ndarray | None


def extract_regions(png: bytes, lungs: np.ndarray | None = None) -> Regions:
    """Reduce an image of the dataset. `lungs`, where known, is a bool mask of the whole image, at any size."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("L"))
    seen = _reduce(_centre(pixels))
    masked = None if lungs is None else _cells(np.where(_grown(lungs, pixels.shape), 0, seen)).ravel()
    return Regions(
        border=_cells(seen)[:, _ring(_BORDER)].ravel(),
        outer_border=_cells(_reduce(pixels))[:, _ring(_OUTER_BORDER)].ravel(),
        boxed=_cells(np.where(_box(), 0, seen)).ravel(),
        masked=masked,
    )


def _centre(pixels: np.ndarray) -> np.ndarray:
    """The square that the processor's crop leaves of (H, W), whatever the input size."""
    height, width = pixels.shape
    side = max(1, round(min(height, width) * CROP_PCT))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _reduce(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def _box() -> np.ndarray:
    hidden = np.zeros((_SIDE, _SIDE), bool)
    across, down = (round(_SIDE * (1 - share) / 2) for share in LUNG_BOX)
    hidden[down:-down, across:-across] = True
    return hidden


def _grown(lungs: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    whole = cv2.resize(lungs.astype(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_LINEAR)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MASK_MARGIN + 1, 2 * _MASK_MARGIN + 1))
    return cv2.dilate(_reduce(_centre(whole)), disc) > 127


def _ring(cells: int) -> np.ndarray:
    ring = np.ones((CELLS, CELLS), bool)
    ring[cells:-cells, cells:-cells] = False
    return ring


def _cells(square: np.ndarray) -> np.ndarray:
    """Mean and range of gray of each cell, uint8 (2, CELLS, CELLS)."""
    blocks = square.reshape(CELLS, _CELL_PIXELS, CELLS, _CELL_PIXELS)
    highest, lowest = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    return np.stack([blocks.mean(axis=(1, 3)).astype(np.uint8), highest - lowest])
