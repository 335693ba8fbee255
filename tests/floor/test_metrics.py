"""Metrics against scikit-learn, closed forms and edge cases."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from cxr import metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 200)
SCORES = np.clip(0.5 * LABELS * RNG.random(200) + 0.7 * RNG.random(200), 0, 1)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.83])
def test_each_metric_is_scikit_learns(threshold):
    found, called = metrics.compute(SCORES, LABELS, threshold), threshold <= SCORES
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(LABELS, called),
            "auroc": roc_auc_score(LABELS, SCORES),
            "sensitivity": recall_score(LABELS, called),
            "specificity": recall_score(LABELS, called, pos_label=0),
            "f1": f1_score(LABELS, called),
        }
    )


def test_by_hand():
    found = metrics.compute(np.array([0.9, 0.4, 0.6, 0.1]), np.array([1, 1, 0, 0]))
    assert found == {"accuracy": 0.5, "auroc": 0.75, "sensitivity": 0.5, "specificity": 0.5, "f1": 0.5}


def test_what_one_class_cannot_tell_is_none():
    found = metrics.compute(np.array([0.9, 0.2]), np.array([1, 1]))
    assert found["auroc"] is None
    assert found["specificity"] is None
    assert found["sensitivity"] == 0.5


@pytest.mark.parametrize("target", [0.5, 0.9, 0.97, 1.0])
def test_the_operating_threshold_is_the_highest_that_reaches_the_target(target):
    threshold = metrics.operating_threshold(SCORES, LABELS, target)
    assert metrics.compute(SCORES, LABELS, threshold)["sensitivity"] >= target
    above = SCORES[(threshold <= SCORES) & (LABELS == 1)].min()
    assert metrics.compute(SCORES, LABELS, above + 1e-9)["sensitivity"] < target


def test_the_operating_threshold_survives_rounding():
    scores, labels = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 0, 1, 1])
    assert metrics.operating_threshold(scores, labels, 1.0) == pytest.approx(0.5)


def test_compute_needs_no_network(monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a metric asked the network"))
    metrics.compute(SCORES, LABELS)
