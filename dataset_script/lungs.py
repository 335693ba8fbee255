"""The lung masks that a collection brings, for the audit."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from dataset_script.rows import Row


def by_name(rows: Sequence[Row]) -> Callable[[dict], np.ndarray | None] | None:
    """A function from a row of Contract 1 to its mask, bool (H, W), or None; None where no row has one."""
    masks = {row.name: row.mask for row in rows if row.mask}
    if not masks:
        return None

    def mask_of(row: dict) -> np.ndarray | None:
        opener = masks.get(f"{row['source']}/{row['file']}")
        return _mask(opener) if opener else None

    return mask_of


def _mask(opener: Callable[[], bytes]) -> np.ndarray | None:
    """The mask, None where its file cannot be read."""
    try:
        with Image.open(io.BytesIO(opener())) as image:
            return np.asarray(image.convert("L")) > 127
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
