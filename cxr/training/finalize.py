"""What follows training: save, calibrate, evaluate the reloaded model, fit the gate, describe, publish."""

import dataclasses

from cxr.training.arguments import Arguments, RunArguments
from cxr.training.data.dataset import XrayDataset
from cxr.training.evaluation import calibration, evaluation
from cxr.training.evaluation.calibration import Calibration
from cxr.training.evaluation.evaluation import Evaluation
from cxr.training.evaluation.gate_fit import fit_and_score_gate
from cxr.training.fitting.trainer import CovidTrainer
from cxr.training.publishing import publish
from cxr.training.reporting import card, figures, metrics_file, mistakes


def finish(
    arguments: Arguments,
    dataset: XrayDataset,
    external: dict[str, XrayDataset],
    trainer: CovidTrainer,
    backbone_revision: str | None,
    seconds: float,
) -> None:
    """Leave a finished model folder behind, published where the arguments say so; `seconds` is training's wall time.

    All ranks must call this: they share the evaluation, and the first one writes.
    """
    run = arguments.run
    trainer.save_model(str(run.model_dir))
    (run.model_dir / "training_args.bin").unlink(missing_ok=True) if run.should_save else None
    trainer.accelerator.wait_for_everyone()
    fitted = _calibrate(run, dataset, trainer)
    evaluated = evaluation.final_evaluation(run, dataset, external)
    if run.process_index == 0:
        facts = evaluated.summary | {"calibration": dataclasses.asdict(fitted), "seeds": None}
        facts["gate"] = fit_and_score_gate(run.model_dir, dataset, external, run.seed)
        _write_config(run, facts)
        metrics_file.write_facts(arguments, dataset, trainer.state, backbone_revision, seconds, facts)
        _draw(run, dataset, external, trainer, evaluated)
        card.write_card(run.model_dir, run.hub_model_id)
        print(card.headline(run.model_dir))
        if run.publish:
            print(publish.publish(run.model_dir, publish.Destination.of(run)))
    trainer.accelerator.wait_for_everyone()


def _calibrate(run: RunArguments, dataset: XrayDataset, trainer: CovidTrainer) -> Calibration:
    """Fit on what the saved model says of validation, and fold the result into it. All ranks must call this."""
    scores = evaluation.score_validation(run, dataset)
    fitted = calibration.fit(scores.margin, scores.labels, with_bias=run.class_weights == "balanced")
    if run.process_index == 0:
        calibration.fold(run.model_dir, fitted)
    trainer.accelerator.wait_for_everyone()
    return fitted


def _write_config(run: RunArguments, facts: dict) -> None:
    """Leave in config.json what serving reads there."""
    evaluation.write_config(
        run.model_dir,
        operating_threshold=facts["operating_threshold"],
        conformal={key: facts["conformal"][key] for key in ("level", "quantiles", "calibration_images")},
        calibration={key: facts["calibration"][key] for key in ("temperature", "bias")},
    )


def _draw(
    run: RunArguments,
    dataset: XrayDataset,
    external: dict[str, XrayDataset],
    trainer: CovidTrainer,
    evaluated: Evaluation,
) -> None:
    """Plots into the model folder; the worst mistakes, which are radiographs, beside it."""
    figures.draw_all(run.model_dir / "figures", trainer.state.log_history, evaluated)
    splits = [dataset.splits["test"], *(other.splits["test"] for other in external.values())]
    sets = {name: (scores, split) for (name, scores), split in zip(evaluated.tested.items(), splits, strict=True)}
    mistakes.draw(run.model_dir.with_name(mistakes.FOLDER), sets, evaluated.summary["operating_threshold"])
