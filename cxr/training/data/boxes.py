"""Where people marked opacities, as the network sees an image: what the box loss is computed from."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cxr.imaging.geometry import visible_box
from cxr.schema.labels import COVID
from cxr.statistics.localization import Box, box_mask
from cxr.training.data.images import Row

SIDE = 64
"""Masks are this many cells a side: finer than the feature maps that they are compared with."""


def marked_cells(rows: Sequence[Row], sizes: Sequence[tuple[int, int]], input_size: int) -> torch.Tensor:
    """What people marked in N images, in the part of them that the network sees: float32 (N, 1, `SIDE`, `SIDE`).

    1 inside a box and 0 outside. Nothing speaks for COVID in an image without it: it is 0 throughout. Where opacities
    of a COVID image were not marked, they are unknown: NaN. `sizes` are (width, height) of the images.
    """
    masks = [_of_row(row, size, input_size) for row, size in zip(rows, sizes, strict=True)]
    return torch.from_numpy(np.stack(masks)[:, None])


def _of_row(row: Row, size: tuple[int, int], input_size: int) -> NDArray[np.float32]:
    if row["label"] != COVID:
        return np.zeros((SIDE, SIDE), np.float32)
    if not row["boxes"]:
        return np.full((SIDE, SIDE), np.nan, np.float32)
    seen = [_in_crop(box, size, input_size) for box in row["boxes"]]
    return box_mask(seen, (SIDE, SIDE)).astype(np.float32)


def _in_crop(box: Box, size: tuple[int, int], input_size: int) -> Box:
    """A box in shares of the image → in shares of the crop, outside which it may reach."""
    crop = visible_box(size, input_size)
    width, height = crop.right - crop.left, crop.bottom - crop.top
    left, top, right, bottom = box
    return (
        (left * size[0] - crop.left) / width,
        (top * size[1] - crop.top) / height,
        (right * size[0] - crop.left) / width,
        (bottom * size[1] - crop.top) / height,
    )
