"""One training run from start to end: check, train, save, evaluate the reloaded model, write the card, publish."""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import datasets
import torch
import transformers
from transformers import EarlyStoppingCallback, ResNetForImageClassification

from cxr import model as network
from cxr.cli import UserError, door
from cxr.preprocess import make_processor
from cxr.training import evaluation, publish
from cxr.training.arguments import Arguments, RunArguments, parse
from cxr.training.augmentation import Augmentation
from cxr.training.data import XrayDataset, class_weights, collator, load, load_external
from cxr.training.finish import finish
from cxr.training.interruption import StopOnSignal
from cxr.training.trainer import CovidTrainer

INTERRUPTED = 143
"""Exit code of a run that was told to stop: 128 + SIGTERM, as a shell would report it."""


@door
def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns 143 if training was told to stop (its checkpoint is saved)."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    run = arguments.run
    _quieten(run)
    resume = _checkpoint_to_resume(run)
    with run.main_process_first():
        if run.publish and run.process_index == 0:
            found = publish.preflight(publish.Destination.of(run))
            run.hub_model_id, run.hub_space = found.repo_id, found.space
        dataset = load(arguments.data.dataset, arguments.data.dataset_revision, arguments.model.input_size)
        external = load_external(arguments.data.external, dataset, arguments.model.input_size)
        model, backbone_revision = _model(arguments)
    trainer = _trainer(arguments, dataset, model)
    start = time.monotonic()
    trainer.train(resume_from_checkpoint=resume)
    if trainer.state.global_step < trainer.state.max_steps and _was_stopped(trainer):
        return _say_how_to_resume(trainer)
    finish(arguments, dataset, external, trainer, backbone_revision, time.monotonic() - start)
    return 0


def _quieten(run: RunArguments) -> None:
    """One rank speaks, about this run; libraries only when something is wrong."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if run.process_index != 0:
        datasets.utils.logging.disable_progress_bar()


def _checkpoint_to_resume(run: RunArguments) -> str | None:
    """The checkpoint folder to go on from; one that was being written when the run died is passed over.

    Raises:
        UserError: if there is none though one was asked for, or there is one though none was.
    """
    wanted = run.resume_from_checkpoint
    checkpoints = [path.parent for path in Path(run.output_dir).glob("checkpoint-*/trainer_state.json")]
    checkpoints.sort(key=lambda path: int(path.name.rpartition("-")[2]))
    if wanted in (None, "false", "False"):
        if checkpoints:
            raise UserError(
                f"--output_dir {run.output_dir} holds checkpoints of an earlier run: go on with it by "
                "--resume_from_checkpoint true, or choose another --output_dir"
            )
        return None
    if wanted not in ("true", "True"):
        if not (Path(wanted) / "trainer_state.json").is_file():
            raise UserError(f"--resume_from_checkpoint {wanted} is no checkpoint folder: name one, or say true")
        return wanted
    if not checkpoints:
        raise UserError(f"--resume_from_checkpoint true: {run.output_dir} holds no checkpoint; leave the flag out")
    return str(checkpoints[-1])


def _model(arguments: Arguments) -> tuple[ResNetForImageClassification, str | None]:
    settings = arguments.model
    if settings.from_scratch:
        return network.from_scratch(arguments.run.seed), None
    return network.from_pretrained(settings.backbone, settings.backbone_revision, arguments.run.seed)


def _trainer(arguments: Arguments, dataset: XrayDataset, model: ResNetForImageClassification) -> CovidTrainer:
    run = arguments.run
    model.config.dataset_fingerprint = dataset.report["fingerprint"]
    model.config.synthetic_data = dataset.synthetic
    model.config.random_weights = getattr(model.config, "random_weights", False)
    model.to(memory_format=torch.channels_last)
    if arguments.model.freeze_backbone:
        model.resnet.requires_grad_(False)
    processor = make_processor(arguments.model.input_size)
    patience = run.early_stopping_patience
    return CovidTrainer(
        model=model,
        args=run,
        train_dataset=dataset.splits["train"].select_columns(evaluation.COLUMNS),
        eval_dataset=dataset.splits["validation"].select_columns(evaluation.COLUMNS),
        data_collator=collator(processor),
        processing_class=processor,
        augmentation=Augmentation(arguments.augmentation, run.seed),
        class_weights=class_weights(dataset.splits["train"]["label"]) if run.class_weights == "balanced" else None,
        freeze_backbone=arguments.model.freeze_backbone,
        callbacks=[StopOnSignal(), *([EarlyStoppingCallback(patience)] if patience else [])],
    )


def _was_stopped(trainer: CovidTrainer) -> bool:
    stoppers = [c for c in trainer.callback_handler.callbacks if isinstance(c, StopOnSignal)]
    return any(stopper.requested for stopper in stoppers)


def _say_how_to_resume(trainer: CovidTrainer) -> int:
    state, run = trainer.state, trainer.args
    if trainer.is_world_process_zero():
        print(
            f"stopped at step {state.global_step} of {state.max_steps}, nothing evaluated or published; "
            f"go on with the same command and --resume_from_checkpoint true (checkpoints: {run.output_dir})"
        )
    return INTERRUPTED
