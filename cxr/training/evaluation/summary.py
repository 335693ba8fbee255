"""What is reported of a scored split: metrics with their intervals, predictive values, verdicts, subgroups."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np

from cxr import policy
from cxr.schema.labels import COVID
from cxr.schema.set_summary import (
    GroupSize,
    Intervals,
    MetricValues,
    PredictiveValueIntervals,
    PredictiveValues,
    SetSummary,
    SplitSummary,
    Subdivision,
    Subgroup,
)
from cxr.schema.verdicts import Verdict
from cxr.statistics import conformal, metrics
from cxr.statistics.bootstrap import Interval
from cxr.statistics.intervals import metric_intervals, predictive_value_intervals
from cxr.training.evaluation.scores import SUBGROUPS, Scores


def summarize(scores: Scores, threshold: float, quantiles: policy.Quantiles) -> SplitSummary:
    """Everything that is reported of a split at the operating threshold; None where something is undefined."""
    return {
        **summarize_set(scores, threshold),
        "conformal": conformal.summarize_sets(scores.probability, scores.labels, quantiles),
        "verdicts": verdict_shares(scores.probability, threshold, quantiles),
    }


def summarize_set(scores: Scores, threshold: float) -> SetSummary:
    """The part of it that needs no conformal sets."""
    values, intervals = _values(scores, threshold), _intervals(scores, threshold)
    return {
        **_size(scores),
        **values,
        "intervals": _plain(intervals),
        "predictive_values": [_predictive_values(values, intervals, prevalence) for prevalence in metrics.PREVALENCES],
        "subgroups": [group for by in SUBGROUPS for group in _subgroups(scores, by, threshold)],
    }


def _size(scores: Scores) -> GroupSize:
    labels = scores.labels
    return {"n": len(labels), "n_covid": int((labels == COVID).sum()), "patients": len(np.unique(scores.patients))}


def _values(scores: Scores, threshold: float) -> MetricValues:
    return metrics.compute_metrics(scores.probability, scores.labels, threshold, scores.margin)


def _intervals(scores: Scores, threshold: float) -> dict[str, Interval | None]:
    return metric_intervals(scores.probability, scores.labels, scores.patients, threshold, scores.margin)


def _plain(intervals: Mapping[str, Interval | None]) -> Intervals:
    return cast(Intervals, {name: _ends(interval) for name, interval in intervals.items()})


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _predictive_values(
    values: MetricValues, intervals: Mapping[str, Interval | None], prevalence: float
) -> PredictiveValues:
    ppv, npv = metrics.predictive_values(values["sensitivity"], values["specificity"], prevalence)
    of_ppv, of_npv = predictive_value_intervals(intervals["sensitivity"], intervals["specificity"], prevalence)
    intervals_of_both: PredictiveValueIntervals = {"ppv": _ends(of_ppv), "npv": _ends(of_npv)}
    return {"prevalence": prevalence, "ppv": ppv, "npv": npv, "intervals": intervals_of_both}


def verdict_shares(
    probability: np.ndarray, threshold: float, quantiles: policy.Quantiles | None
) -> dict[Verdict, float]:
    """The share of images that get each verdict, the out-of-distribution gate left aside."""
    given = Counter(policy.verdict(value, threshold, quantiles) for value in probability.tolist())
    return {verdict: count / len(probability) for verdict, count in sorted(given.items())}


def _subgroups(scores: Scores, by: Subdivision, threshold: float) -> Iterator[Subgroup]:
    groups = scores.groups(by)
    for value in np.unique(groups).tolist():
        part = scores.subset(groups == value)
        yield {
            "by": by,
            "value": value,
            **_size(part),
            **_values(part, threshold),
            "intervals": _plain(_intervals(part, threshold)),
        }
