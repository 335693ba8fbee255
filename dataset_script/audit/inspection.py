"""The audit of a dataset that is written but not yet in place, with the lung masks that its collections bring."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dataset_script.records import FileRef, Row
from dataset_script.storage.writing import PICTURES


def inspect(rows: Iterable[Row], staged: Path, seed: int, num_proc: int) -> dict:
    """Audit the dataset of `rows` in `staged`, draw its pictures below it, and return the report's section."""
    from dataset_script.audit import audit, charts, sheets  # here, because their imports take seconds

    section = audit.audit(staged, masks=_masks(rows), seed=seed, num_proc=num_proc)
    sheets.draw(staged, staged / PICTURES)
    charts.audit(staged / PICTURES / "audit.png", section)
    return section


def _masks(rows: Iterable[Row]) -> Callable[[dict], np.ndarray | None] | None:
    """A function from a row of Contract 1 to its mask, bool (H, W), or None; None where no row has one."""
    masks = {row.name: row.mask for row in rows if row.mask}
    if not masks:
        return None

    def mask_of(row: dict) -> np.ndarray | None:
        ref = masks.get(f"{row['source']}/{row['file']}")
        return _mask(ref) if ref else None

    return mask_of


def _mask(ref: FileRef) -> np.ndarray | None:
    """The mask, None where its file cannot be read."""
    try:
        with Image.open(io.BytesIO(ref.read())) as image:
            return np.asarray(image.convert("L")) > 127
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
