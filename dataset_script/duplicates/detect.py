"""The search for copies among rows whose pictures lie in the store, and what it found shown to a person."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cxr import import_closure
from dataset_script.duplicates import pair_sheets, search
from dataset_script.records import Row
from dataset_script.storage.store import Store

_CODE = "dataset_script/duplicates/search.py"


@dataclass(frozen=True)
class Likeness:
    """Pairs of copies and the clusters that they form, both of positions among `rows`."""

    rows: Sequence[Row]
    store: Store
    pairs: list[search.Pair]
    clusters: list[list[int]]

    def draw(self, folder: Path) -> None:
        """Write pages with the pairs side by side."""
        folder.mkdir(parents=True, exist_ok=True)
        pair_sheets.draw(self.pairs, self._load, [row.name for row in self.rows], folder)

    def _load(self, position: int) -> np.ndarray:
        return pixels_of(self.store, self.rows[position])


def find(rows: Sequence[Row], store: Store, num_proc: int) -> Likeness:
    """Search the copies among `rows`; pairs that an earlier run compared are not compared again."""
    code = import_closure.digest(_CODE)
    fingerprints = store.fingerprints([row.number for row in rows])
    pairs = search.find_copies(
        fingerprints,
        lambda position: pixels_of(store, rows[position]),
        known=store.similarities(code),
        num_proc=num_proc,
    )
    return Likeness(rows, store, pairs, search.clusters(pairs, len(rows)))


def pixels_of(store: Store, row: Row) -> np.ndarray:
    """A row's picture, uint8 (H, W)."""
    with Image.open(io.BytesIO(store.image(row.number))) as image:
        return np.asarray(image)
