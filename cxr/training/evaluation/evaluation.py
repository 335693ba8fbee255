"""The final evaluation: of the saved and reloaded model, in fp32, with everything chosen on validation."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, cast, get_args

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from scipy.special import expit
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import AutoModelForImageClassification

from cxr import policy
from cxr.errors import UserError
from cxr.imaging.preprocess import load_processor
from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.schema.metrics import (
    Conformal,
    DatasetId,
    ExternalSummary,
    GroupSize,
    Intervals,
    MetricValues,
    PredictiveValueIntervals,
    PredictiveValues,
    SplitSummary,
    Subdivision,
    Subgroup,
)
from cxr.schema.verdicts import Verdict
from cxr.statistics import conformal, metrics
from cxr.statistics.bootstrap import Interval
from cxr.statistics.intervals import metric_intervals, predictive_value_intervals
from cxr.training.data.batches import COLUMNS, collator
from cxr.training.data.dataset import XrayDataset

FACTS = ["label", "source", "patient_id", "view", "sex", "age", "file"]
"""The columns of Contract 1 that are kept beside the scores."""

SUBGROUPS: tuple[Subdivision, ...] = get_args(Subdivision)
AGE_BANDS = {"0–17": 18, "18–39": 40, "40–59": 60, "60–79": 80, "80 or more": np.inf}
"""Name and upper end (years, exclusive) of each band."""

UNKNOWN = "unknown"


class EvaluationSummary(TypedDict):
    """The part of `metrics.json` that is measured on the splits."""

    operating_threshold: float
    target_sensitivity: float
    conformal: Conformal
    validation: SplitSummary
    test: SplitSummary
    external: dict[str, ExternalSummary]


@dataclass(frozen=True)
class Scores:
    """A split's logit differences (COVID − NON-COVID), float64 (N,), and its `FACTS`, one value for each image."""

    margin: np.ndarray
    facts: Mapping[str, Sequence[Any]]

    @cached_property
    def probability(self) -> np.ndarray:
        """Probability of COVID, float64 (N,)."""
        return expit(self.margin)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,)."""
        return np.asarray(self.facts["label"], dtype=np.int64)

    @cached_property
    def patients(self) -> np.ndarray:
        """`source:patient_id` of each image, str (N,)."""
        return np.array([":".join(pair) for pair in zip(self.facts["source"], self.facts["patient_id"], strict=True)])

    def groups(self, by: str) -> np.ndarray:
        """The group of each image, str (N,), by `source`, `view`, `sex` or `age`."""
        name = age_band if by == "age" else str
        return np.array([name(value) if value not in (None, "") else UNKNOWN for value in self.facts[by]])

    def subset(self, mask: np.ndarray) -> "Scores":
        """Only the images where `mask`, bool (N,), is true."""
        rows = np.flatnonzero(mask).tolist()
        return Scores(self.margin[rows], {name: [values[row] for row in rows] for name, values in self.facts.items()})


def age_band(years: float) -> str:
    """The band that an age belongs to; unknown for NaN."""
    return next((name for name, end in AGE_BANDS.items() if years < end), UNKNOWN)


def margin(logits: np.ndarray) -> np.ndarray:
    """Logit of COVID minus that of NON-COVID, float64 (N,), from logits (N, 2)."""
    logits = np.asarray(logits, dtype=np.float64)
    return logits[:, COVID] - logits[:, NON_COVID]


class Evaluator:
    """Scores splits with the model saved in a folder, in fp32 whatever precision it was trained in.

    With several processes, each one takes part of the batches; all of them must call `score`, and all get the result.
    """

    def __init__(self, model_dir: Path, batch_size: int = 32, workers: int = 0, cpu: bool = False):
        self._accelerator = Accelerator(cpu=cpu)
        model = AutoModelForImageClassification.from_pretrained(model_dir, dtype=torch.float32).eval()
        self.model_dir, self.batch_size, self.workers = model_dir, batch_size, workers
        self.model = model.to(self._accelerator.device, memory_format=torch.channels_last)
        self.processor = load_processor(model_dir)

    def score(self, split: datasets.Dataset) -> Scores:
        """The model's scores of a split.

        Raises:
            UserError: if some are not finite.
        """
        rows = split.select_columns(COLUMNS)
        loader = DataLoader(rows, self.batch_size, collate_fn=collator(self.processor), num_workers=self.workers)
        margins = margin(self._logits(self._accelerator.prepare_data_loader(loader)))
        if not np.isfinite(margins).all():
            raise UserError("the trained model's scores are not finite: training diverged, try a lower --learning_rate")
        facts = list(split.select_columns(FACTS))
        return Scores(margins, {name: [row[name] for row in facts] for name in FACTS})

    @torch.inference_mode()
    def _logits(self, loader: DataLoader[Any]) -> np.ndarray:
        """Logits float32 (N, 2), in the order of the split."""
        logits = []
        hidden = not self._accelerator.is_main_process
        for batch in tqdm(loader, desc="evaluation", unit="batch", leave=False, disable=hidden):
            pixel_values = batch["pixel_values"].contiguous(memory_format=torch.channels_last)
            logits.append(self._accelerator.gather_for_metrics(self.model(pixel_values=pixel_values).logits).cpu())
        return torch.cat(logits).numpy()


@dataclass(frozen=True)
class Evaluation:
    """The numbers of a run's splits, as `metrics.json` states them, and the scores behind them."""

    summary: EvaluationSummary
    validation: Scores
    test: Scores
    external: Mapping[str, Scores]

    @property
    def tested(self) -> dict[str, Scores]:
        """The sets that had no part in any choice, by their names in figures and card."""
        return {"test": self.test} | {f"external: {name}": scores for name, scores in self.external.items()}

    @property
    def tested_summaries(self) -> dict[str, SplitSummary]:
        """The summaries of the same sets, by the same names."""
        external = self.summary["external"]
        return {"test": self.summary["test"]} | {f"external: {name}": summary for name, summary in external.items()}


def evaluate(
    evaluator: Evaluator, dataset: XrayDataset, external: Mapping[str, XrayDataset], target_sensitivity: float
) -> Evaluation:
    """Score validation, test and external sets once, with a calibrated model.

    The operating threshold is the highest one whose sensitivity on validation reaches `target_sensitivity`, and the
    conformal quantiles are those of validation; test and external sets have no part in either. All ranks must call
    this; all get the same result.
    """
    validation, test = (evaluator.score(dataset.splits[split]) for split in ("validation", "test"))
    outside = {name: evaluator.score(other.splits["test"]) for name, other in external.items()}
    threshold = metrics.operating_threshold(validation.probability, validation.labels, target_sensitivity)
    sets = conformal.fit_quantiles(validation.probability, validation.labels)
    quantiles, reason = sets["quantiles"], conformal.missing_promise(sets["calibration_images"])
    summary: EvaluationSummary = {
        "operating_threshold": threshold,
        "target_sensitivity": target_sensitivity,
        "conformal": {**sets, "promise": reason is None, "reason": reason},
        "validation": summarize(validation, threshold, quantiles),
        "test": summarize(test, threshold, quantiles),
        "external": {
            name: {**summarize(scores, threshold, quantiles), "dataset": _identity(external[name])}
            for name, scores in outside.items()
        },
    }
    return Evaluation(summary, validation, test, outside)


def score_validation(evaluator: Evaluator, dataset: XrayDataset) -> Scores:
    """The scores of validation that the calibration is fitted to. All ranks must call this.

    Raises:
        UserError: if a class is absent, so that no threshold can be found.
    """
    scores = evaluator.score(dataset.splits["validation"])
    for label, name in enumerate(LABELS):
        if label not in scores.labels:
            raise UserError(
                f"--dataset {dataset.name}: its validation split holds no {name} image, so no operating threshold can "
                "be found; prepare it with more patients"
            )
    return scores


def _identity(dataset: XrayDataset) -> DatasetId:
    return {"name": dataset.name, "revision": dataset.revision, "fingerprint": dataset.report["fingerprint"]}


def summarize(scores: Scores, threshold: float, quantiles: policy.Quantiles) -> SplitSummary:
    """Everything that is reported of a split at the operating threshold; None where something is undefined."""
    values, intervals = _values(scores, threshold), _intervals(scores, threshold)
    return {
        **_size(scores),
        **values,
        "intervals": _plain(intervals),
        "predictive_values": [_predictive_values(values, intervals, prevalence) for prevalence in metrics.PREVALENCES],
        "conformal": conformal.summarize_sets(scores.probability, scores.labels, quantiles),
        "verdicts": _verdicts(scores.probability, threshold, quantiles),
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


def _verdicts(probability: np.ndarray, threshold: float, quantiles: policy.Quantiles) -> dict[Verdict, float]:
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
