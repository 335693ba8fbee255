"""Metrics against scikit-learn, closed forms and edge cases."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    recall_score,
    roc_auc_score,
)

from cxr.schema.set_summary import METRIC_NAMES
from cxr.statistics import metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 200)
SCORES = np.clip(0.5 * LABELS * RNG.random(200) + 0.7 * RNG.random(200), 0, 1)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.83])
def test_each_metric_equals_scikit_learns(threshold):
    values, positive = metrics.compute_metrics(SCORES, LABELS, threshold), threshold <= SCORES
    assert values.pop("ece") > 0
    assert values == pytest.approx(
        {
            "auroc": roc_auc_score(LABELS, SCORES),
            "auprc": average_precision_score(LABELS, SCORES),
            "accuracy": accuracy_score(LABELS, positive),
            "balanced_accuracy": balanced_accuracy_score(LABELS, positive),
            "sensitivity": recall_score(LABELS, positive),
            "specificity": recall_score(LABELS, positive, pos_label=0),
            "f1": f1_score(LABELS, positive),
            "brier": brier_score_loss(LABELS, SCORES),
        }
    )


def test_by_hand():
    values = metrics.compute_metrics(np.array([0.9, 0.4, 0.6, 0.1]), np.array([1, 1, 0, 0]))
    assert list(values) == list(METRIC_NAMES)
    at_half = {"accuracy": 0.5, "balanced_accuracy": 0.5, "sensitivity": 0.5, "specificity": 0.5, "f1": 0.5}
    brier = (0.1**2 + 0.6**2 + 0.6**2 + 0.1**2) / 4
    ece = (abs(2 - 1.8) + abs(0 - 1.2)) / 4  # two bins: confidence 0.9 and right, confidence 0.6 and wrong
    assert values == pytest.approx({"auroc": 0.75, "auprc": 5 / 6, "brier": brier, "ece": ece} | at_half)


@pytest.mark.parametrize(
    ("probabilities", "shares", "images", "expected"),
    [
        ([0.8], [0.6], [100], 0.2),
        ([0.25, 0.75], [0.25, 0.75], [40, 40], 0.0),
        ([0.01, 0.99], [0.05, 0.95], [300, 100], 0.04),
        ([0.8, 0.2], [0.5, 0.5], [50, 50], 0.3),
        # 0.8 for 0.6 true, 0.2 for 0 true: a confidence of 0.8 in both, and right in 0.8 of all
        ([0.8, 0.2], [0.6, 0.0], [50, 50], 0.0),
    ],
)
def test_ece_is_the_gap_between_confidence_and_accuracy(probabilities, shares, images, expected):
    probability = np.repeat(probabilities, images)
    labels = np.concatenate([np.arange(n) < round(share * n) for share, n in zip(shares, images, strict=True)])
    assert metrics.ece(probability, labels.astype(int)) == pytest.approx(expected)


def test_ece_has_fifteen_bins_and_both_ends_lie_in_one():
    edges = np.linspace(0, 1, 16)
    assert metrics.bin_indices((edges[1:] + edges[:-1]) / 2).tolist() == list(range(15))
    assert metrics.bin_indices(np.array([0.0, 1.0])).tolist() == [0, 14]


def test_a_score_ranks_images_of_equal_probability():
    margin = np.array([50.0, 60.0, 40.0, -1.0])
    saturated, labels = 1 / (1 + np.exp(-margin)), np.array([1, 1, 0, 0])
    assert metrics.compute_metrics(saturated, labels)["auroc"] < 1
    values = metrics.compute_metrics(saturated, labels, score=margin)
    assert (values["auroc"], values["auprc"]) == (1.0, 1.0)


def test_metrics_that_need_both_classes_are_none():
    values = metrics.compute_metrics(np.array([0.9, 0.2]), np.array([1, 1]))
    assert [name for name in values if values[name] is None] == ["auroc", "auprc", "balanced_accuracy", "specificity"]
    assert values["sensitivity"] == 0.5
    assert metrics.compute_metrics(np.array([0.1]), np.array([0]))["f1"] is None


@pytest.mark.parametrize(
    ("prevalence", "ppv", "npv"), [(0.5, 0.9, 0.9), (0.1, 0.5, 0.81 / 0.82), (0.01, 0.009 / 0.108, 0.891 / 0.892)]
)
def test_predictive_values_follow_from_bayes(prevalence, ppv, npv):
    assert metrics.predictive_values(0.9, 0.9, prevalence) == pytest.approx((ppv, npv))


def test_predictive_values_without_decisions_of_a_kind_are_none():
    assert metrics.predictive_values(0.0, 1.0, 0.1) == (None, pytest.approx(0.9))
    assert metrics.predictive_values(1.0, 0.0, 0.1) == (pytest.approx(0.1), None)
    assert metrics.predictive_values(None, 0.9, 0.1) == (None, None)


@pytest.mark.parametrize("target", [0.5, 0.9, 0.97, 1.0])
def test_the_operating_threshold_is_the_highest_that_reaches_the_target(target):
    threshold = metrics.operating_threshold(SCORES, LABELS, target)
    assert metrics.compute_metrics(SCORES, LABELS, threshold)["sensitivity"] >= target
    above = SCORES[(threshold <= SCORES) & (LABELS == 1)].min()
    assert metrics.compute_metrics(SCORES, LABELS, above + 1e-9)["sensitivity"] < target


def test_the_operating_threshold_survives_rounding():
    scores, labels = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 0, 1, 1])
    assert metrics.operating_threshold(scores, labels, 1.0) == pytest.approx(0.5)


def test_compute_needs_no_network(monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a metric used the network"))
    metrics.compute_metrics(SCORES, LABELS)
