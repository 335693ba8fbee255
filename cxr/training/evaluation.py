"""The final evaluation: of the saved and reloaded model, in fp32, with the threshold fixed on validation."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from transformers import AutoModelForImageClassification

from cxr import metrics
from cxr.labels import COVID
from cxr.preprocess import load_processor
from cxr.training.arguments import RunArguments
from cxr.training.data import XrayDataset, collator
from cxr.training.streaming import COLUMNS
from cxr.training.trainer import CovidTrainer, covid_probability


@dataclass(frozen=True)
class Scores:
    """Float64 (N,) probabilities of COVID and int (N,) labels of one split."""

    probability: np.ndarray
    labels: np.ndarray

    def summary(self, threshold: float) -> dict[str, float | int | None]:
        """The split's size and its metrics at `threshold`."""
        counts = {"n": len(self.labels), "n_covid": int((self.labels == COVID).sum())}
        return counts | metrics.compute(self.probability, self.labels, threshold)


def final_evaluation(
    run: RunArguments, dataset: XrayDataset, external: Mapping[str, XrayDataset]
) -> tuple[dict, Scores]:
    """Score validation, test and external sets once with the model in `run.model_dir`.

    Returns the metrics and the test scores.

    The operating threshold is the highest one whose sensitivity on validation reaches `run.target_sensitivity`; the
    test split has no part in choosing it. All ranks must call this; all get the same result.
    """
    evaluator = _evaluator(run)
    validation = _score(evaluator, dataset.splits["validation"])
    test = _score(evaluator, dataset.splits["test"])
    threshold = metrics.operating_threshold(validation.probability, validation.labels, run.target_sensitivity)
    summary = {
        "operating_threshold": threshold,
        "target_sensitivity": run.target_sensitivity,
        "validation": validation.summary(threshold),
        "test": test.summary(threshold),
        "external": {name: _external(evaluator, other, threshold) for name, other in external.items()},
    }
    return summary, test


def _external(evaluator: CovidTrainer, dataset: XrayDataset, threshold: float) -> dict:
    """An external set's metrics at the threshold that this run's own validation fixed, and which set it was."""
    scores = _score(evaluator, dataset.splits["test"]).summary(threshold)
    which = {"name": dataset.name, "revision": dataset.revision, "fingerprint": dataset.report["fingerprint"]}
    return scores | {"dataset": which}


def write_threshold(model_dir: Path, threshold: float) -> None:
    """Put the operating threshold into the saved config.json, where every reader of the model finds it."""
    path = model_dir / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"operating_threshold": threshold}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _evaluator(run: RunArguments) -> CovidTrainer:
    """A trainer that only evaluates, in the fp32 that `from_pretrained` gives, whatever precision trained."""
    model = AutoModelForImageClassification.from_pretrained(run.model_dir, dtype=torch.float32)
    off = {
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "enable_jit_checkpoint": False,
    }
    fp32 = {"bf16": False, "fp16": False, "precision": "fp32"}
    off |= {"torch_compile": False, "torch_compile_backend": None, "torch_compile_mode": None}
    arguments = dataclasses.replace(run, **off, **fp32, push_to_hub=False, report_to="none")
    arguments.mixed_precision = "no"
    model.to(memory_format=torch.channels_last)
    return CovidTrainer(model=model, args=arguments, data_collator=collator(load_processor(run.model_dir)))


def _score(evaluator: CovidTrainer, split: datasets.Dataset) -> Scores:
    prediction = evaluator.predict(split.select_columns(COLUMNS))
    return Scores(covid_probability(prediction.predictions), prediction.label_ids)
