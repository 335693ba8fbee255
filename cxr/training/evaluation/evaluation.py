"""The final evaluation: of the saved and reloaded model, in fp32, with everything chosen on validation."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from transformers import AutoModelForImageClassification

from cxr.errors import UserError
from cxr.imaging.preprocess import load_processor
from cxr.schema.labels import LABELS
from cxr.statistics import conformal, metrics
from cxr.training.arguments import RunArguments
from cxr.training.data.dataset import XrayDataset, collator
from cxr.training.data.streaming import COLUMNS
from cxr.training.evaluation.scores import FACTS, Scores, margin
from cxr.training.evaluation.summary import summarise
from cxr.training.fitting.trainer import CovidTrainer


@dataclass(frozen=True)
class Evaluation:
    """What `metrics.json` says of a run's splits, and the scores behind it."""

    summary: dict
    validation: Scores
    test: Scores
    external: Mapping[str, Scores]

    @property
    def tested(self) -> dict[str, Scores]:
        """The sets that had no part in any choice, by the names that figures and card give them."""
        return {"test": self.test} | {among_others(name): scores for name, scores in self.external.items()}

    @property
    def tested_summaries(self) -> dict[str, dict]:
        """The summaries of the same sets, by the same names."""
        return {"test": self.summary["test"]} | {
            among_others(name): found for name, found in self.summary["external"].items()
        }


def among_others(name: str) -> str:
    """What an external set is called among others."""
    return f"external: {name}"


def final_evaluation(run: RunArguments, dataset: XrayDataset, external: Mapping[str, XrayDataset]) -> Evaluation:
    """Score validation, test and external sets once with the model in `run.model_dir`, calibrated already.

    The operating threshold is the highest one whose sensitivity on validation reaches `run.target_sensitivity`, and
    the conformal quantiles are validation's; test and external sets have no part in either. All ranks must call this;
    all get the same result.
    """
    evaluator = _evaluator(run)
    validation, test = (_score(evaluator, dataset.splits[split]) for split in ("validation", "test"))
    outside = {name: _score(evaluator, other.splits["test"]) for name, other in external.items()}
    threshold = metrics.operating_threshold(validation.probability, validation.labels, run.target_sensitivity)
    sets = conformal.fit_quantiles(validation.probability, validation.labels)
    reason = conformal.missing_promise(sets["calibration_images"])
    summary = {
        "operating_threshold": threshold,
        "target_sensitivity": run.target_sensitivity,
        "conformal": sets | {"promise": reason is None, "reason": reason},
        "validation": summarise(validation, threshold, sets["quantiles"]),
        "test": summarise(test, threshold, sets["quantiles"]),
        "external": {
            name: summarise(scores, threshold, sets["quantiles"]) | {"dataset": _which(external[name])}
            for name, scores in outside.items()
        },
    }
    return Evaluation(summary, validation, test, outside)


def score_validation(run: RunArguments, dataset: XrayDataset) -> Scores:
    """What the model in `run.model_dir` says of validation, for whatever is fitted there. All ranks must call this.

    Raises:
        UserError: if a class is absent, so that no threshold can be found.
    """
    scores = _score(_evaluator(run), dataset.splits["validation"])
    for label, name in enumerate(LABELS):
        if label not in scores.labels:
            raise UserError(
                f"--dataset {dataset.name}: its validation split holds no {name} image, so no operating threshold can "
                "be found; prepare it with more patients"
            )
    return scores


def _which(dataset: XrayDataset) -> dict[str, str | None]:
    return {"name": dataset.name, "revision": dataset.revision, "fingerprint": dataset.report["fingerprint"]}


def write_config(model_dir: Path, **keys: object) -> None:
    """Put what readers of the model must know into the saved config.json, as plain extra keys."""
    path = model_dir / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | keys
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
    margins = margin(evaluator.predict(split.select_columns(COLUMNS)).predictions)
    if not np.isfinite(margins).all():
        raise UserError("the trained model answers with no numbers: training diverged, try a lower --learning_rate")
    rows = list(split.select_columns(FACTS))
    return Scores(margins, {name: [row[name] for row in rows] for name in FACTS})
