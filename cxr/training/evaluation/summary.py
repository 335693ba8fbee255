"""A split's numbers as `metrics.json` holds them: metrics, intervals over patients, sets, verdicts, subgroups."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from cxr import policy
from cxr.schema.labels import COVID
from cxr.statistics import conformal, metrics
from cxr.statistics.bootstrap import Interval
from cxr.statistics.intervals import metric_intervals, predictive_value_intervals
from cxr.training.evaluation.scores import Scores

SUBGROUPS = ("source", "view", "sex", "age")


def summarise(scores: Scores, threshold: float, quantiles: Mapping[str, float]) -> dict:
    """Everything that is reported of a split at the operating threshold; None where something is undefined."""
    values, intervals = _values(scores, threshold), _intervals(scores, threshold)
    return values | {
        "intervals": _plain(intervals),
        "predictive_values": [_predictive_values(values, intervals, prevalence) for prevalence in metrics.PREVALENCES],
        "conformal": conformal.summarize_sets(scores.probability, scores.labels, quantiles),
        "verdicts": _verdicts(scores.probability, threshold, quantiles),
        "subgroups": [group for by in SUBGROUPS for group in _subgroups(scores, by, threshold)],
    }


def _values(scores: Scores, threshold: float) -> dict[str, float | int | None]:
    """The split's size and its metrics."""
    labels = scores.labels
    counts = {"n": len(labels), "n_covid": int((labels == COVID).sum()), "patients": len(np.unique(scores.patients))}
    return counts | metrics.compute_metrics(scores.probability, labels, threshold, scores.margin)


def _intervals(scores: Scores, threshold: float) -> dict[str, Interval | None]:
    return metric_intervals(scores.probability, scores.labels, scores.patients, threshold, scores.margin)


def _plain(intervals: Mapping[str, Interval | None]) -> dict[str, list[float] | None]:
    return {name: found and [found.low, found.high] for name, found in intervals.items()}


def _predictive_values(values: Mapping, intervals: Mapping[str, Interval | None], prevalence: float) -> dict:
    ppv, npv = metrics.predictive_values(values["sensitivity"], values["specificity"], prevalence)
    sure = predictive_value_intervals(intervals["sensitivity"], intervals["specificity"], prevalence)
    between = _plain(dict(zip(("ppv", "npv"), sure, strict=True)))
    return {"prevalence": prevalence, "ppv": ppv, "npv": npv, "intervals": between}


def _verdicts(probability: np.ndarray, threshold: float, quantiles: Mapping[str, float]) -> dict[str, float]:
    """The share of images that get each verdict; the gate is not asked."""
    given = Counter(policy.verdict(value, threshold, quantiles) for value in probability.tolist())
    return {verdict: count / len(probability) for verdict, count in sorted(given.items())}


def _subgroups(scores: Scores, by: str, threshold: float) -> Iterator[dict]:
    groups = scores.groups(by)
    for value in np.unique(groups).tolist():
        part = scores.chosen(groups == value)
        yield {"by": by, "value": value} | _values(part, threshold) | {"intervals": _plain(_intervals(part, threshold))}
