"""Contact sheets of the worst mistakes: the images about which the model was most certain and wrong.

They show radiographs, so they lie in the run folder beside `model/` and are never published.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import datasets
import numpy as np

from cxr.contact_sheet import COLUMNS, ROWS, make_sheet, make_tile, safe_file_name
from cxr.schema.labels import COVID, LABELS
from cxr.training.data.images import image_of
from cxr.training.evaluation.scores import Scores

FOLDER = "worst_mistakes"
MOST = COLUMNS * ROWS


def draw_sheets(folder: Path, sets: Mapping[str, tuple[Scores, datasets.Dataset]], threshold: float) -> list[Path]:
    """Write a sheet of false positives and one of false negatives for each set that has any; returns their paths.

    `sets` holds scores and the split, in the same order, by the name of the set. Sheets of an earlier run are removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return [path for name, (scores, split) in sets.items() for path in _sheets(folder, name, scores, split, threshold)]


def _sheets(folder: Path, name: str, scores: Scores, split: datasets.Dataset, threshold: float) -> Iterator[Path]:
    called = scores.probability >= threshold
    for kind, wrong in (
        ("false_positives", called & (scores.labels != COVID)),
        ("false_negatives", ~called & (scores.labels == COVID)),
    ):
        worst = worst_first(scores, wrong)[:MOST]
        if len(worst):
            title = f"{name}: {kind.replace('_', ' ')}, the worst {len(worst)} of {wrong.sum():,}"
            tiles = [make_tile([image_of(split[row])], _captions(scores, row)) for row in worst.tolist()]
            path = folder / f"{safe_file_name(name)}-{kind}.png"
            make_sheet(f"{title}, threshold {threshold:.2f}", tiles).save(path)
            yield path


def worst_first(scores: Scores, wrong: np.ndarray) -> np.ndarray:
    """Indices of the images in `wrong`, bool (N,), those first that the model was most certain about."""
    certainty = np.where(scores.labels == COVID, -scores.margin, scores.margin)
    rows = np.flatnonzero(wrong)
    return rows[np.argsort(-certainty[rows], kind="stable")]


def _captions(scores: Scores, row: int) -> list[str]:
    facts = scores.facts
    return [
        f"{scores.probability[row]:.3f} COVID, labelled {LABELS[scores.labels[row]]}",
        f"{facts['source'][row]} {facts['view'][row] or ''}".strip(),
        facts["file"][row],
    ]
