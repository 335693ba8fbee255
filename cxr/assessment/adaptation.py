"""Adapting a published model to a hospital: everything that is chosen on validation is chosen anew on its validation.

Only the last layer's scale and bias change, so the order of images does not, and AUROC stays: what is repaired are
probabilities, decisions, prediction sets and the gate (label and covariate shift; Platt 1999, Guo et al. 2017).
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import datasets
import numpy as np

from cxr import hub
from cxr.assessment.model import LoadedModel
from cxr.assessment.overlap import read_fingerprints, shared_by_validation
from cxr.errors import UserError
from cxr.fingerprints import Fingerprints, make_part
from cxr.schema.assessment import ModelResult
from cxr.schema.labels import LABELS
from cxr.schema.metrics import Adaptation, BeforeAdaptation, Metrics
from cxr.schema.model_repo import CONFIG, DATASET_REPORT, FINGERPRINTS, PREPROCESSOR, RECIPE, WEIGHTS
from cxr.schema.set_summary import METRIC_NAMES
from cxr.statistics.conformal import missing_promise
from cxr.training.data.dataset import XrayDataset, overlap_columns
from cxr.training.evaluation.calibration import Calibration, fit_calibration, fold
from cxr.training.evaluation.evaluation import Evaluation, Evaluator, dataset_id, evaluate, score_validation
from cxr.training.evaluation.gate_evaluation import GateEvaluation, add_gate
from cxr.training.evaluation.heatmap_evaluation import measure_heatmaps
from cxr.training.evaluation.scores import Scores
from cxr.training.finalize import PACKAGES, add_to_config, write_metrics
from cxr.training.reporting import figures, model_card
from cxr.training.reporting.card_tables import with_interval
from cxr.training.reporting.judgement import judgement
from cxr.versions import versions

_SEED = 0
_X_RAYS = "validation X-rays of the hospital"


def require_adaptable(model: LoadedModel, out: Path) -> None:
    """Find out, before anything is scored, whether a model can be adapted into `out`.

    Raises:
        UserError: if it is not of this project's kind, or if the folder is taken.
    """
    why = f"--adapt: {model.name} is no model that this project published"
    if not model.is_of_this_project:
        raise UserError(f"{why} (a ResNet with the labels {' and '.join(LABELS)}): train one with train_hf.py")
    model_card.read_facts(model.pulled.folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--adapt {out} exists already: name a new folder for the adapted model")


def adapt(model: LoadedModel, name: str, dataset: XrayDataset, before: ModelResult, out: Path) -> Metrics:
    """Write a complete model folder, adapted on the validation split of a dataset; returns its `metrics.json`.

    `before` is what the model as it is reaches on the test split.

    Raises:
        UserError: if validation is too small, or the folder cannot be written.
    """
    metrics, report = model_card.read_facts(model.pulled.folder)
    with _draft_of(out) as draft:
        _copy(model, draft)
        calibration = _calibrate(model, name, dataset, draft)
        evaluator = Evaluator(draft, model.evaluator.batch_size, cpu=model.evaluator.model.device.type == "cpu")
        evaluation = evaluate(evaluator, dataset, {}, metrics["target_sensitivity"])
        gate = _fit_gate(evaluator, dataset, evaluation.validation)
        adapted = _adapted_metrics(metrics, evaluation, gate, _compose(metrics, calibration))
        adapted["adaptation"] = _adaptation(model, name, dataset, before, calibration)
        found = measure_heatmaps(evaluator, dataset, {})
        if found and found["test"]:
            adapted["heatmaps"] = found | {"test": None, "external": {name: found["test"]}}
        adapted["judgement"] = judgement(adapted, report)
        add_to_config(draft, adapted)
        write_metrics(draft, adapted)
        _write_fingerprints(model, dataset, draft)
        figures.draw_all(draft / "figures", adapted["training"]["log"], evaluation)
        model_card.write_card(draft, adapted, report)
    return adapted


def headline(metrics: Metrics, out: Path) -> str:
    """What the adaptation changed on the test split, in a few lines."""
    before, after = metrics["adaptation"]["before"], metrics["test"]
    changes = [
        f"{METRIC_NAMES[key]} {with_interval(before, key)} → {with_interval(after, key)}"
        for key in ("auroc", "sensitivity", "specificity", "ece")
    ]
    return "\n".join(
        [f"Before → after, on {metrics['adaptation']['name']} (n = {after['n']}):", *changes, f"Adapted model: {out}"]
    )


@contextmanager
def _draft_of(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place once everything is in it, and is removed otherwise."""
    draft = out.with_name(f".{out.name}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        yield draft
        if out.is_dir():
            out.rmdir()
        draft.rename(out)
    except OSError as error:
        raise UserError(f"--adapt {out} cannot be written ({error.strerror or error}): name another") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy(model: LoadedModel, draft: Path) -> None:
    """Everything of the original that stays as it is."""
    pulled = model.pulled
    if not (pulled.folder / RECIPE).is_file() and pulled.revision != "local":
        hub.fetch(pulled.repo_id, pulled.revision, [RECIPE])
    for name in (CONFIG, WEIGHTS, PREPROCESSOR, RECIPE, DATASET_REPORT):
        if not (pulled.folder / name).is_file():
            raise UserError(f"--adapt: {model.name} has no {name}: publish it again, or name the folder of its run")
        shutil.copyfile(pulled.folder / name, draft / name)


def _calibrate(model: LoadedModel, name: str, dataset: XrayDataset, draft: Path) -> Calibration:
    scores = score_validation(model.evaluator, dataset)
    counts = {label: int((scores.labels == row).sum()) for row, label in enumerate(LABELS)}
    reason = missing_promise(counts)
    if reason or len(np.unique(scores.patients)) < 2:
        raise UserError(
            f"--adapt: the validation split of {name} is too small ({reason or 'one patient'}): prepare more"
        )
    calibration = fit_calibration(scores.margin, scores.labels, with_bias=True)
    if calibration.reason:
        raise UserError(f"--adapt: {model.name} cannot be calibrated on {name}: {calibration.reason}")
    fold(draft, calibration)
    return calibration


def _compose(metrics: Metrics, calibration: Calibration) -> Calibration:
    """Both calibrations as one, of the logits that training left."""
    first = metrics["calibration"]
    return Calibration(
        first["temperature"] * calibration.temperature, first["bias"] / calibration.temperature + calibration.bias
    )


def _fit_gate(evaluator: Evaluator, dataset: XrayDataset, validation: Scores) -> GateEvaluation:
    """Fit on half of validation's patients, and set the threshold on the others, whom the fit has not seen."""
    second = _second_half(validation.patients)
    split = dataset.splits["validation"]
    parts = datasets.DatasetDict(
        train=split.select(np.flatnonzero(~second)),
        validation=split.select(np.flatnonzero(second)),
        test=dataset.splits["test"],
    )
    return add_gate(evaluator, replace(dataset, splits=parts), {}, validation.subset(second), _SEED, kind=_X_RAYS)


def _second_half(patients: np.ndarray) -> np.ndarray:
    """Whether each image belongs to the second half by the hash of its patient, bool (N,); neither half is empty."""
    names, position, counts = np.unique(patients, return_inverse=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda row: hashlib.sha256(str(names[row]).encode()).digest())
    reached = np.cumsum(counts[order])
    first = max(1, min(len(names) - 1, int(np.searchsorted(reached, reached[-1] / 2))))
    is_second = np.ones(len(names), dtype=bool)
    is_second[order[:first]] = False
    return is_second[position]


def _adapted_metrics(
    metrics: Metrics, evaluation: Evaluation, gate: GateEvaluation, calibration: Calibration
) -> Metrics:
    """The original's `metrics.json` with all that was measured anew; what was not is left out."""
    kept = cast(Metrics, {key: value for key, value in metrics.items() if key != "heatmaps"})
    return {
        **kept,
        **evaluation.summary,
        "calibration": {"temperature": calibration.temperature, "bias": calibration.bias, "reason": None},
        "seeds": None,
        "gate": gate.summary,
        "validation_distribution": gate.distribution,
        "environment": metrics["environment"] | versions(PACKAGES),
    }


def _adaptation(
    model: LoadedModel, name: str, dataset: XrayDataset, before: ModelResult, calibration: Calibration
) -> Adaptation:
    coverage = before["conformal"]["coverage"] if before["conformal"] else None
    group = {key: before[key] for key in ("n", "n_covid", "patients", "intervals", *METRIC_NAMES)}  # type: ignore[literal-required]
    return {
        "model_id": model.name,
        "revision": model.pulled.revision,
        "name": name,
        "dataset": dataset_id(dataset),
        "synthetic": dataset.synthetic,
        "counts": dataset.report["counts"],
        "audit": dataset.report.get("audit"),
        "shared_with_training": shared_by_validation(model, dataset),
        "temperature": calibration.temperature,
        "bias": calibration.bias,
        "before": cast(
            BeforeAdaptation,
            {**group, "operating_threshold": model.threshold, "coverage": coverage, "gate": before["gate"]},
        ),
    }


def _write_fingerprints(model: LoadedModel, dataset: XrayDataset, draft: Path) -> None:
    """Those of the original, and of the validation split on which the model was now tuned."""
    known = read_fingerprints(model) or Fingerprints(complete=False)
    own = dataset.report["fingerprint"]
    parts = list(known.parts)
    if own not in {part.dataset for part in parts}:
        with_patients = not parts or any(len(part.patients) for part in parts)
        parts.append(make_part(own, overlap_columns(dataset, ("validation",)), with_patients))
    Fingerprints(parts, known.complete).save(draft / FINGERPRINTS)
