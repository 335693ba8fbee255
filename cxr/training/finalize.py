"""What follows training: calibrate the saved model, evaluate it, fit its gate, and describe it."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.utils import wait_for_everyone

from cxr.training.arguments import Arguments, RunArguments
from cxr.training.data.dataset import XrayDataset
from cxr.training.evaluation.calibration import Calibration, fit_calibration, fold
from cxr.training.evaluation.evaluation import Evaluation, Evaluator, evaluate, score_validation
from cxr.training.evaluation.gate_evaluation import add_gate
from cxr.training.reporting import figures, metrics_file, mistakes, model_card
from cxr.training.reporting.metrics_file import Training

External = Mapping[str, XrayDataset]
"""External sets by name."""


def finalize(
    arguments: Arguments, dataset: XrayDataset, external: External, training: Training, repo_id: str | None
) -> None:
    """Turn the model that training saved into a finished model folder; `repo_id` is where its card says it lies.

    All ranks must call this: they share the evaluation, and the first one writes.
    """
    run = arguments.run
    wait_for_everyone()
    calibration = _calibrate(run, dataset)
    evaluator = _reloaded(run)
    evaluation = evaluate(evaluator, dataset, external, run.target_sensitivity)
    if run.process_index == 0:
        gate = add_gate(evaluator, dataset, external, run.seed)
        summary = evaluation.summary | {"calibration": dataclasses.asdict(calibration), "seeds": None, "gate": gate}
        _add_to_config(run.model_dir, summary)
        metrics, report = metrics_file.write_facts(arguments, dataset, training, summary)
        figures.draw_all(run.model_dir / "figures", training.state.log_history, evaluation)
        _draw_mistakes(run.model_dir, dataset, external, evaluation)
        model_card.write_card(run.model_dir, metrics, report, repo_id)
        print(model_card.headline(metrics, report))
    wait_for_everyone()


def _reloaded(run: RunArguments) -> Evaluator:
    """The model as it is saved now: what is measured is what will be published."""
    return Evaluator(run.model_dir, run.per_device_eval_batch_size, run.dataloader_num_workers, run.use_cpu)


def _calibrate(run: RunArguments, dataset: XrayDataset) -> Calibration:
    """Fit to the saved model's scores of validation, and fold the result into it. All ranks must call this."""
    scores = score_validation(_reloaded(run), dataset)
    calibration = fit_calibration(scores.margin, scores.labels, with_bias=run.class_weights == "balanced")
    if run.process_index == 0:
        fold(run.model_dir, calibration)
    wait_for_everyone()
    return calibration


def _add_to_config(model_dir: Path, summary: Mapping[str, Any]) -> None:
    """Add to config.json, as plain extra keys, what serving reads there."""
    path = model_dir / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {
        "operating_threshold": summary["operating_threshold"],
        "conformal": {key: summary["conformal"][key] for key in ("level", "quantiles", "calibration_images")},
        "calibration": {key: summary["calibration"][key] for key in ("temperature", "bias")},
    }
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _draw_mistakes(model_dir: Path, dataset: XrayDataset, external: External, evaluation: Evaluation) -> None:
    """Contact sheets of the worst mistakes, which are radiographs and so lie beside the model folder, never in it."""
    splits = [dataset.splits["test"], *(other.splits["test"] for other in external.values())]
    sets = {name: (scores, split) for (name, scores), split in zip(evaluation.tested.items(), splits, strict=True)}
    mistakes.draw_sheets(model_dir.with_name(mistakes.FOLDER), sets, evaluation.summary["operating_threshold"])
