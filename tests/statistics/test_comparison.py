"""Two models on the same images: DeLong's test against its definition, and paired intervals that contain the truth."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from cxr.statistics.comparison import delong, difference_intervals
from cxr.statistics.intervals import metric_measures


def definition(first, second, labels):
    """DeLong, DeLong & Clarke-Pearson 1988: structural components over all pairs of images."""
    parts = []
    for score in (first, second):
        positive, negative = score[labels == 1], score[labels == 0]
        wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        parts.append((wins.mean(axis=1), wins.mean(axis=0)))
    areas = [of_positives.mean() for of_positives, _ in parts]
    covariance = sum(np.cov([parts[0][side], parts[1][side]]) / len(parts[0][side]) for side in (0, 1))
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = areas[0] - areas[1]
    return (
        difference,
        difference - 1.959964 * error,
        difference + 1.959964 * error,
        2 * norm.sf(abs(difference / error)),
    )


def pair(seed, count, decimals=8):
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.4).astype(int)
    shared = rng.normal(size=count)
    scores = [labels * effect + shared + rng.normal(size=count) for effect in (1.5, 0.8)]
    return *(np.round(score, decimals) for score in scores), labels


@pytest.mark.parametrize("decimals", [8, 1, 0])
@pytest.mark.parametrize("count", [20, 300])
def test_delong_is_that_of_its_definition_ties_included(count, decimals):
    for seed in range(10):
        first, second, labels = pair(seed, count, decimals)
        assert tuple(delong(first, second, labels)) == pytest.approx(definition(first, second, labels), abs=1e-6)


def test_delong_of_a_model_and_itself_finds_nothing_and_of_one_class_says_nothing():
    first, _, labels = pair(0, 50)
    assert delong(first, first, labels) == (0.0, 0.0, 0.0, 1.0)
    assert delong(first, first, np.ones(50, int)) is None


def measures(score, labels, patients):
    return metric_measures(1 / (1 + np.exp(-score)), labels, patients, 0.5, score)


def test_the_difference_is_that_of_both_and_its_interval_is_near_delongs_where_patients_have_one_image():
    first, second, labels = pair(3, 400)
    patients = np.arange(400).astype(str)
    found = difference_intervals(*(measures(score, labels, patients) for score in (first, second)), patients)["auroc"]
    known = delong(first, second, labels)
    assert found.estimate == pytest.approx(roc_auc_score(labels, first) - roc_auc_score(labels, second))
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.01)


def test_a_model_and_itself_differ_by_nothing():
    first, _, labels = pair(4, 120)
    patients = np.repeat(np.arange(60), 2).astype(str)
    same = measures(first, labels, patients)
    for interval in filter(None, difference_intervals(same, same, patients, resamples=200).values()):
        assert interval == (0, 0, 0)
