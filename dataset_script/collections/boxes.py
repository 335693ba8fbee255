"""Opacities that a person marked: boxes in a table, boxes in a cell of SIIM's table, or a mask."""

import io
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from cxr.errors import UserError
from dataset_script.collections.filesystem import Root
from dataset_script.collections.tables import Cells, read_table
from dataset_script.records import Box, Facts, FileRef

TABLE = "boxes.csv"
"""A table of boxes beside a table of images: `file,left,top,right,bottom`, a line for each box."""

NOT_INSIDE = "its boxes lie outside it, as if drawn on an image of another size; they are left out"
_SIDES = ("left", "top", "right", "bottom")
_TOLERANCE = 0.02
_SMALLEST = 1e-4
"""The share of the image below which a spot of a mask is no opacity but a trace of compression."""


def read_boxes(root: Root, flag: str) -> dict[str, tuple[Box, ...]]:
    """The boxes of each file that `boxes.csv` in the root lists; empty without one.

    Raises:
        UserError: if it lacks a column, or a line holds no box.
    """
    boxes: dict[str, list[Box]] = defaultdict(list)
    if not root.has(TABLE):
        return {}
    table = read_table(root, TABLE, flag)
    missing = [name for name in ("file", *_SIDES) if name not in table.columns]
    if missing:
        raise UserError(
            f"{flag}: {TABLE} beside it has no column {missing[0]!r}; it needs file,{','.join(_SIDES)} "
            "(rename it if it holds no boxes)"
        )
    for number, cells in table.lines:
        box = _box([cells.get(side, "") for side in _SIDES])
        if box is None:
            raise UserError(f"{flag}: {TABLE} beside it, line {number}: no box with left < right and top < bottom")
        boxes[root.inside(cells.get("file", "")) or ""].append(box)
    return {file: tuple(found) for file, found in boxes.items()}


def parse_siim(cell: str) -> tuple[Box, ...]:
    """The boxes of a cell of `train_image_level.csv`: `[{'x': 789.2, 'y': 582.4, 'width': 126.6, 'height': 917}]`."""
    try:
        listed = json.loads(cell.replace("'", '"')) if cell.strip() else []
        corners = [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in listed]
    except (ValueError, LookupError, TypeError):
        return ()
    return tuple(box for box in map(_box, corners) if box)


def scaled(boxes: Sequence[Box], cells: Cells) -> tuple[Box, ...]:
    """Boxes in pixels as shares, if a row of a table says how large the image was (`dim0` high, `dim1` wide)."""
    try:
        height, width = float(cells["dim0"]), float(cells["dim1"])
    except (KeyError, ValueError):
        return tuple(boxes)
    return tuple((left / width, top / height, right / width, bottom / height) for left, top, right, bottom in boxes)


def as_shares(boxes: Sequence[Box], facts: Facts) -> tuple[Box, ...]:
    """Boxes as shares of the width and height that a file has; none where they do not fit into it."""
    if not boxes:
        return ()
    width, height = (float(str(facts[side])) if _in_pixels(boxes) else 1.0 for side in ("width", "height"))
    shares = np.array(boxes) / (width, height, width, height)
    if shares.max() > 1 + _TOLERANCE or shares.min() < -_TOLERANCE:
        return ()
    return tuple(tuple(box) for box in shares.clip(0, 1).round(5).tolist())


def warning(boxes: Sequence[Box], facts: Facts) -> str:
    """What is wrong with the boxes of a file; empty where nothing is."""
    return NOT_INSIDE if boxes and not as_shares(boxes, facts) else ""


def _in_pixels(boxes: Sequence[Box]) -> bool:
    return any(side > 1 + _TOLERANCE for box in boxes for side in box)


def around_lesions(mask: FileRef) -> tuple[Box, ...]:
    """A box around each connected area of a mask, as shares; none where it cannot be read."""
    try:
        with Image.open(io.BytesIO(mask.read())) as image:
            pixels = np.asarray(image.convert("L")) > 127
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return ()
    height, width = pixels.shape
    areas = cv2.connectedComponentsWithStats(pixels.astype(np.uint8))[2][1:]
    boxes = [
        (x / width, y / height, (x + w) / width, (y + h) / height)
        for x, y, w, h, n in areas.tolist()
        if n >= _SMALLEST * pixels.size
    ]
    return tuple(tuple(round(side, 5) for side in box) for box in boxes)


def unpacked(found: Any) -> tuple[Box, ...]:
    """What `around_lesions` found, after it was kept as JSON."""
    return tuple(tuple(box) for box in found or ())


def _box(sides: Sequence[str | float]) -> Box | None:
    try:
        left, top, right, bottom = (float(side) for side in sides)
    except ValueError:
        return None
    is_box = all(map(math.isfinite, (left, top, right, bottom))) and left < right and top < bottom
    return (left, top, right, bottom) if is_box else None
