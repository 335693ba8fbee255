"""The worst mistakes come first, and the curves are scikit-learn's with a band around them."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_curve, roc_curve

from cxr.training.evaluation.scores import FACTS, Scores
from cxr.training.reporting import figures, mistakes


def scores(margin, labels):
    facts = {name: ["x"] * len(labels) for name in FACTS} | {"label": list(labels)}
    return Scores(np.asarray(margin, float), facts | {"patient_id": [str(i) for i in range(len(labels))]})


def test_the_surest_mistakes_come_first():
    found = scores([3, -2, 5, 0.1, -9, 4], [0, 1, 0, 0, 1, 1])
    wrong = (found.probability >= 0.5) != (found.labels == 1)
    assert mistakes.worst_first(found, wrong).tolist() == [4, 2, 0, 1, 3]


def test_each_kind_of_mistake_has_its_sheet_and_old_ones_go(tmp_path):
    old = tmp_path / "sheets" / "test-false_negatives.png"
    old.parent.mkdir()
    old.touch()
    split = [{"image": Image.new("L", (50, 50), 3 * number)} for number in range(40)]
    paths = mistakes.draw_sheets(tmp_path / "sheets", {"test": (scores(np.linspace(1, 2, 40), [0] * 40), split)}, 0.5)
    assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["test-false_positives.png"]
    sheet = np.asarray(Image.open(paths[0]))
    first, last = sheet[120, 120], sheet[-170, -120]
    assert (first, last) == (3 * 39, 3 * 10)  # the 30 images about which the model was most certain, in their order


def test_curves_are_scikit_learns_and_their_bands_hold_them():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 150)
    found = scores(rng.normal(size=150) + labels, labels)
    false, true, _ = roc_curve(labels, found.margin, drop_intermediate=False)
    roc = figures.roc_curve(found)
    assert (roc.x, roc.y) == (pytest.approx(false), pytest.approx(true))
    precision, recall, _ = precision_recall_curve(labels, found.margin)
    drawn = figures.precision_recall_curve(found)
    assert drawn.y == pytest.approx(precision[:-1][::-1][: len(drawn.y)])
    assert drawn.x == pytest.approx(recall[:-1][::-1][: len(drawn.x)])
    on_grid = np.interp(figures.GRID, roc.x, roc.y)
    assert np.mean((roc.band[0] - 0.02 <= on_grid) & (on_grid <= roc.band[1] + 0.02)) > 0.95
    assert (roc.band[1] - roc.band[0]).max() > 0.1
