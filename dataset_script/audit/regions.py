"""What the model sees of a picture, and what the probes are shown of it: its border, or all but its lungs.

The model sees the centre square of 87.5 % of the short side. Pictures are reduced to `CELLS` × `CELLS` cells, each with
its mean and its range of gray: a letter or an arrow too small to move a mean still moves a range.
"""

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from cxr.imaging.geometry import CROP_PCT
from cxr.schema.probes import LUNG_BOX

CELLS, _PIXELS = 20, 8
_SIDE = CELLS * _PIXELS
_RIM, _OUTER_RIM = 2, 3
"""Cells from the edge: 10 % of what the model sees; 15 % of the picture, which never reaches past that 10 %."""

_GROWTH = 5
"""Pixels of `_SIDE` (3 %) by which lung masks grow, since outlines tend to end inside the lung."""


class Glimpse(NamedTuple):
    """Features of one picture, uint8 vectors of fixed lengths; `masked` is None where no mask is known.

    `rim` is the outer 10 % of what the model sees; `outer` the outer 15 % of the whole picture, most of which the
    model's crop cuts off; `boxed` and `masked` are what the model sees with the lungs blacked out.
    """

    rim: np.ndarray
    outer: np.ndarray
    boxed: np.ndarray
    masked: np.ndarray | None


def look(png: bytes, lungs: np.ndarray | None = None) -> Glimpse:
    """Reduce a stored picture. `lungs`, where known, is a bool mask of the whole picture, at any size."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("L"))
    seen = _reduce(_centre(pixels))
    masked = None if lungs is None else _cells(np.where(_grown(lungs, pixels.shape), 0, seen)).ravel()
    boxed = _cells(np.where(_box(), 0, seen)).ravel()
    return Glimpse(
        _cells(seen)[:, _ring(_RIM)].ravel(), _cells(_reduce(pixels))[:, _ring(_OUTER_RIM)].ravel(), boxed, masked
    )


def _centre(picture: np.ndarray) -> np.ndarray:
    """The square that the processor's crop leaves of (H, W), whatever the input size."""
    height, width = picture.shape
    side = max(1, round(min(height, width) * CROP_PCT))
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _reduce(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def _box() -> np.ndarray:
    hidden = np.zeros((_SIDE, _SIDE), bool)
    across, down = (round(_SIDE * (1 - share) / 2) for share in LUNG_BOX)
    hidden[down:-down, across:-across] = True
    return hidden


def _grown(lungs: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    whole = cv2.resize(lungs.astype(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_LINEAR)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GROWTH + 1, 2 * _GROWTH + 1))
    return cv2.dilate(_reduce(_centre(whole)), disc) > 127


def _ring(cells: int) -> np.ndarray:
    ring = np.ones((CELLS, CELLS), bool)
    ring[cells:-cells, cells:-cells] = False
    return ring


def _cells(square: np.ndarray) -> np.ndarray:
    """Mean and range of gray of each cell, uint8 (2, CELLS, CELLS)."""
    blocks = square.reshape(CELLS, _PIXELS, CELLS, _PIXELS)
    highest, lowest = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    return np.stack([blocks.mean(axis=(1, 3)).astype(np.uint8), highest - lowest])
