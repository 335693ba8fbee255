"""The final evaluation: of the saved and reloaded model, in fp32, with everything chosen on validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from tqdm import tqdm

from cxr.errors import UserError
from cxr.network.classifier import Classifier, Forward, load_own
from cxr.schema.labels import LABELS
from cxr.schema.metrics import Conformal
from cxr.schema.set_summary import DatasetId, ExternalSummary, SplitSummary
from cxr.statistics import conformal, metrics
from cxr.training.data.batches import COLUMNS, collator
from cxr.training.data.dataset import XrayDataset
from cxr.training.evaluation.scores import FACTS, Scores
from cxr.training.evaluation.summary import summarize


class EvaluationSummary(TypedDict):
    """The part of `metrics.json` that is measured on the splits."""

    operating_threshold: float
    target_sensitivity: float
    conformal: Conformal
    validation: SplitSummary
    test: SplitSummary
    external: dict[str, ExternalSummary]


class Evaluator:
    """Scores splits with the model saved in a folder, in fp32 whatever precision it was trained in.

    With several processes, each one takes part of the batches; all of them must call `score`, and all get the result.

    Attributes:
        forward: what gives the logits: the model, or another runtime in its place.
    """

    def __init__(
        self,
        model_dir: Path,
        batch_size: int = 32,
        workers: int = 0,
        cpu: bool = False,
        classifier: Classifier | None = None,
    ):
        """Load the model, one of ours unless `classifier` is what was loaded from the folder."""
        self._accelerator = Accelerator(cpu=cpu)
        self.classifier = classifier or load_own(model_dir)
        self.model_dir, self.batch_size, self.workers = model_dir, batch_size, workers
        self.model = self.classifier.model.to(self._accelerator.device, memory_format=torch.channels_last)
        self.processor = self.classifier.processor
        self.forward: Forward = lambda pixel_values: self.model(pixel_values=pixel_values).logits

    def score(self, split: datasets.Dataset) -> Scores:
        """The model's scores of a split.

        Raises:
            UserError: if some are not finite.
        """
        rows, collate = split.select_columns(COLUMNS), collator(self.classifier.pixel_values)
        loader = DataLoader(rows, self.batch_size, collate_fn=collate, num_workers=self.workers)
        margins = self.classifier.reading.margin(self._logits(self._accelerator.prepare_data_loader(loader)))
        if not np.isfinite(margins).all():
            raise UserError(
                f"{self.model_dir.name}: some of its scores are not finite, so its weights are broken; if it was just "
                "trained, training diverged: try a lower --learning_rate"
            )
        facts = list(split.select_columns(FACTS))
        return Scores(margins, {name: [row[name] for row in facts] for name in FACTS})

    @torch.inference_mode()
    def _logits(self, loader: DataLoader[Any]) -> np.ndarray:
        """Logits float32 (N, K), in the order of the split."""
        logits = []
        hidden = not self._accelerator.is_main_process
        for batch in tqdm(loader, desc="evaluation", unit="batch", leave=False, disable=hidden):
            pixel_values = batch["pixel_values"].contiguous(memory_format=torch.channels_last)
            logits.append(self._accelerator.gather_for_metrics(self.forward(pixel_values)).cpu())
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
            name: {**summarize(scores, threshold, quantiles), "dataset": dataset_id(external[name])}
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


def dataset_id(dataset: XrayDataset) -> DatasetId:
    """Which dataset it is, as `metrics.json` names it."""
    return {"name": dataset.name, "revision": dataset.revision, "fingerprint": dataset.report["fingerprint"]}
