"""Intervals of every metric: statistics against scikit-learn, and the effect of few patients and few errors."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, f1_score

from cxr.schema.set_summary import METRIC_NAMES
from cxr.statistics import bootstrap, metrics
from cxr.statistics.bootstrap import Interval
from cxr.statistics.intervals import ece_interval, metric_intervals, predictive_value_intervals


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_weighted_auprc_is_scikit_learns_ties_included(decimals):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 120)
    score, weights = np.round(rng.normal(size=120) + label, decimals), rng.integers(0, 4, (6, 120)).astype(float)
    expected = [average_precision_score(label, score, sample_weight=row) for row in weights]
    assert bootstrap.auprc_statistic(score, label)(weights) == pytest.approx(expected, abs=1e-12)


def test_estimates_are_the_metrics_themselves():
    rng = np.random.default_rng(1)
    labels, patients = rng.integers(0, 2, 90), np.arange(90) // 2
    probability = expit(rng.normal(size=90) + labels)
    values = metrics.compute_metrics(probability, labels, 0.6)
    intervals = metric_intervals(probability, labels, patients, 0.6)
    assert {name: interval.estimate for name, interval in intervals.items()} == pytest.approx(values)
    assert intervals["f1"].estimate == pytest.approx(f1_score(labels, probability >= 0.6))


def test_errors_of_few_patients_widen_an_interval():
    hits = np.arange(300) >= 6
    spread_out = bootstrap.interval(bootstrap.ratio_statistic(hits, np.ones(300)), np.arange(300))
    in_two = bootstrap.interval(bootstrap.ratio_statistic(hits, np.ones(300)), np.maximum(np.arange(300) // 3, 0))
    assert in_two.low < spread_out.low < 0.98 < spread_out.high < in_two.high


def test_a_model_without_errors_has_no_certain_predictive_value():
    sensitivity, specificity = Interval(0.9, 0.8, 0.95), Interval(1.0, 0.96, 1.0)
    ppv, npv = predictive_value_intervals(sensitivity, specificity, 0.01)
    assert ppv == pytest.approx((1.0, 0.009 / (0.009 + 0.04 * 0.99), 1.0))
    assert npv.low < metrics.predictive_values(0.9, 1.0, 0.01)[1] < npv.high < 1


def test_predictive_values_that_are_undefined_have_no_interval():
    never, always = Interval(0.0, 0.0, 0.1), Interval(1.0, 0.9, 1.0)
    assert predictive_value_intervals(never, always, 0.05)[0] is None
    assert predictive_value_intervals(never, Interval(0.5, 0.4, 0.6), 0.05)[0].low == 0.0
    assert predictive_value_intervals(None, always, 0.05) == (None, None)


def test_the_interval_of_the_ece_tells_calibrated_from_overconfident():
    rng = np.random.default_rng(2)
    margin = rng.normal(size=800) * 1.5
    labels, patients = (rng.random(800) < expit(margin)).astype(int), np.arange(800)
    calibrated, sure = (ece_interval(expit(factor * margin), labels, patients) for factor in (1, 4))
    assert calibrated.low == 0.0
    assert calibrated.estimate <= calibrated.high < 0.1
    assert 0.1 < sure.low < sure.estimate <= sure.high
    assert ece_interval(np.array([0.2, 0.7]), np.array([0, 1]), ["a", "a"]) is None


@pytest.mark.slow
def test_intervals_of_all_metrics_cover_the_truth(benchmark):
    coverage = benchmark("coverage")
    covered = coverage.coverage(coverage.DESIGNS[0], 0.9, studies=60, images=200)
    assert len(covered) == len(METRIC_NAMES) + 6
    for name, (share, without) in covered.items():
        assert share >= 0.85, name
        assert without == 0
