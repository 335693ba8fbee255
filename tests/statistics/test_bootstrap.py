"""Intervals over patients: known answers, agreement with scikit-learn, and how often they cover the truth."""

import time
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxr.statistics import bootstrap


def study(rng, auroc, images=200, most=5):
    """Scores, labels and patients: up to `most` correlated images per patient, and a known true AUROC."""
    distance, rows = NormalDist().inv_cdf(auroc) * 2**0.5, []
    while len(rows) < images:
        label, own = int(rng.random() < 0.5), rng.normal() * 0.5**0.5
        patient = rows[-1][2] + 1 if rows else 0
        for _ in range(rng.integers(1, most + 1)):
            rows.append((own + rng.normal() * 0.5**0.5 + distance * label, label, patient))
    score, label, patient = (np.array(column) for column in zip(*rows[:images], strict=True))
    return score, label, patient


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_weighted_auroc_is_scikit_learns_ties_included(decimals):
    rng = np.random.default_rng(0)
    score, label, _ = study(rng, 0.8)
    score, weights = np.round(score, decimals), rng.integers(0, 4, (6, 200)).astype(float)
    expected = [roc_auc_score(label, score, sample_weight=row) for row in weights]
    assert bootstrap.auroc_statistic(score, label)(weights) == pytest.approx(expected, abs=1e-12)


def test_a_statistic_of_weights_counts_what_was_drawn():
    hits, among = np.array([True, False, True, True]), np.array([True, True, True, False])
    weights = np.array([[1.0, 1, 1, 1], [2, 0, 1, 5], [0, 0, 0, 3]])
    assert bootstrap.ratio_statistic(hits & among, among)(weights) == pytest.approx([2 / 3, 1, np.nan], nan_ok=True)


def test_without_repeated_patients_it_is_the_textbook_interval():
    patients, hits = np.arange(400), np.arange(400) < 300
    interval = bootstrap.interval(bootstrap.ratio_statistic(hits, np.ones(400)), patients)
    error = 1.966 * (0.75 * 0.25 / 400) ** 0.5 / (0.75 * 0.25)
    ends = [1 / (1 + np.exp(-(np.log(3) + side * error))) for side in (-1, 1)]
    assert interval == pytest.approx((0.75, *ends), abs=0.003)


def test_repeated_images_add_no_certainty():
    score, label, _ = study(np.random.default_rng(1), 0.8, images=60)
    once = bootstrap.auroc_interval(score, label, np.arange(60))
    fivefold = bootstrap.auroc_interval(np.tile(score, 5), np.tile(label, 5), np.tile(np.arange(60), 5))
    assert fivefold == pytest.approx(once, abs=1e-9)
    naive = bootstrap.auroc_interval(np.tile(score, 5), np.tile(label, 5), np.arange(300))
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


def test_a_perfect_metric_has_an_interval():
    label = np.arange(40) % 2
    assert bootstrap.auroc_interval(label, label, np.arange(40)) == pytest.approx((1, 0.025 ** (1 / 20), 1))
    assert bootstrap.auroc_interval(1 - label, label, np.arange(40)) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 20)))
    # twenty images of two patients per class are two pairs, not ten
    assert bootstrap.auroc_interval(label, label, np.arange(40) % 4) == pytest.approx((1, 0.025**0.5, 1))
    never = bootstrap.interval(bootstrap.ratio_statistic(np.zeros(30), np.ones(30)), range(30))
    assert never == pytest.approx((0, 0, 1 - 0.025 ** (1 / 30)))


def test_a_constant_score_gives_half():
    assert bootstrap.auroc_interval(np.zeros(50), np.arange(50) % 2, np.arange(50)) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("label", "patients"),
    [([], []), ([1, 1, 1], "abc"), ([0, 1, 1], "abb"), ([0, 0, 1, 1, 1], "abccc"), ([0, 1, 0, 1], "aabb")],
)
def test_too_few_patients_give_none(label, patients):
    interval = bootstrap.auroc_interval(np.arange(len(label)), np.array(label), list(patients))
    assert interval is None


def test_resamples_without_a_class_are_left_out():
    interval = bootstrap.auroc_interval(np.array([0.1, 0.4, 0.3, 0.8]), np.array([0, 0, 1, 1]), list("abcd"))
    assert interval.estimate == 0.75
    assert 0 <= interval.low < 0.2
    assert 0.95 < interval.high <= 1


def test_the_same_seed_gives_the_same_ends_and_order_does_not_matter_much():
    score, label, patients = study(np.random.default_rng(2), 0.85)
    first, again = (bootstrap.auroc_interval(score, label, patients) for _ in range(2))
    assert first == again
    other = bootstrap.auroc_interval(score, label, patients, seed=1)
    assert other != first
    assert other == pytest.approx(first, abs=0.01)
    named = bootstrap.auroc_interval(score, label, [f"p{patient:03d}" for patient in patients])
    assert named == first


def test_it_is_fast_and_its_memory_bounded():
    study_of_1000 = study(np.random.default_rng(3), 0.9, images=1000)
    bootstrap.auroc_interval(*study_of_1000)
    start = time.perf_counter()
    bootstrap.auroc_interval(*study_of_1000)
    assert time.perf_counter() - start < 2
    widths = []

    def statistic(weights):
        widths.append(weights.nbytes)
        return weights[:, 0] / weights.sum(axis=1)

    bootstrap.interval(statistic, np.arange(20_000))
    assert max(widths) <= 32_000_000


@pytest.mark.parametrize("auroc", [0.76, 0.90, 0.98])
def test_it_covers_the_truth(auroc):
    rng, covered = np.random.default_rng(4), 0
    for number in range(300):
        interval = bootstrap.auroc_interval(*study(rng, auroc), seed=number)
        covered += interval.low <= auroc <= interval.high
    assert 0.92 <= covered / 300 <= 0.98
