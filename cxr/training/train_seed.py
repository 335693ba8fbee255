"""One training run of one seed: its checkpoint, its network, head and layers, and what follows training."""

import json
import time
from pathlib import Path

import httpx2
import torch
from transformers import (
    EarlyStoppingCallback,
    ResNetForImageClassification,
    TrainerCallback,
)
from transformers.trainer import TRAINER_STATE_NAME

from cxr import model as network
from cxr.errors import UserError, one_line
from cxr.imaging.preprocess import make_processor
from cxr.training.arguments import Arguments, RunArguments
from cxr.training.data.augmentation import Augmentation
from cxr.training.data.dataset import XrayDataset, class_weights, collator
from cxr.training.data.streaming import COLUMNS, TrainingStream
from cxr.training.finalize import finish
from cxr.training.fitting.head import fit_head
from cxr.training.fitting.interruption import StopOnSignal
from cxr.training.fitting.trainer import CovidTrainer


def train(arguments: Arguments, dataset: XrayDataset, external: dict[str, XrayDataset]) -> bool:
    """Train, save, evaluate and describe one model; False if training was told to stop (its checkpoint is saved).

    All ranks must call this.

    Raises:
        UserError: if the checkpoint or the backbone that was asked for is not there.
    """
    run, resume = arguments.run, checkpoint_to_resume(arguments)
    with run.main_process_first():
        model, backbone_revision = _model(arguments)
    trainer = _trainer(arguments, dataset, model)
    start = time.monotonic()
    if arguments.model.method != "full" and resume is None:
        trainer.add_callback(_LogHead(trainer, fit_head(trainer, dataset, arguments.model.head_views)))
    if arguments.model.method == "head":
        trainer.state.epoch = 0.0
        for event in (trainer.callback_handler.on_train_begin, trainer.callback_handler.on_train_end):
            event(run, trainer.state, trainer.control)
    else:
        _train_layers(trainer, arguments, resume)
        if trainer.state.global_step < trainer.state.max_steps and _was_stopped(trainer):
            _say_how_to_resume(trainer)
            return False
    finish(arguments, dataset, external, trainer, backbone_revision, time.monotonic() - start)
    return True


def _train_layers(trainer: CovidTrainer, arguments: Arguments, resume: str | None) -> None:
    """Train; a stream that dries up, unlike a table that is on the disk, may do so through nobody's fault here."""
    try:
        trainer.train(resume_from_checkpoint=resume)
    except (OSError, httpx2.HTTPError) as error:
        if not arguments.data.streaming:
            raise
        raise UserError(
            f"--dataset {arguments.data.dataset} could be read no further ({one_line(error)}): go on from the last "
            "checkpoint with the same command and --resume_from_checkpoint true"
        ) from error


class _LogHead(TrainerCallback):
    """Log what was measured of the fitted head once the reporters listen and the log of this training has begun."""

    def __init__(self, trainer: CovidTrainer, measured: dict[str, float | None]):
        self.trainer, self.measured = trainer, measured

    def on_train_begin(self, *args: object, **kwargs: object) -> None:
        """Log before the first step."""
        self.trainer.log(self.measured)


def checkpoints(run: RunArguments) -> list[Path]:
    """The run's complete checkpoint folders, oldest first; one that was being written when the run died is none."""
    found = filter(_is_complete, Path(run.output_dir).glob("checkpoint-*"))
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def _is_complete(checkpoint: Path) -> bool:
    """Whether the last file that the Trainer writes into a checkpoint can be read to its end."""
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def wants_to_resume(run: RunArguments) -> bool:
    """Whether the run was told to go on where an earlier one ended."""
    return run.resume_from_checkpoint not in (None, "false", "False")


def checkpoint_to_resume(arguments: Arguments) -> str | None:
    """The checkpoint folder to go on from; `head` has none, for it takes but one pass.

    Raises:
        UserError: if there is none though one was asked for, or there is one though none was.
    """
    run, found = arguments.run, checkpoints(arguments.run)
    wanted = run.resume_from_checkpoint
    if not wants_to_resume(run):
        if found:
            raise UserError(
                f"--output_dir {run.output_dir} holds checkpoints of an earlier run: go on with it by "
                "--resume_from_checkpoint true, or choose another --output_dir"
            )
        return None
    if arguments.model.method == "head":
        return None
    if wanted not in ("true", "True"):
        if not _is_complete(Path(wanted)):
            raise UserError(f"--resume_from_checkpoint {wanted} is no complete checkpoint: name another, or say true")
        return wanted
    if not found:
        raise UserError(f"--resume_from_checkpoint true: {run.output_dir} holds no checkpoint; leave the flag out")
    return str(found[-1])


def _model(arguments: Arguments) -> tuple[ResNetForImageClassification, str | None]:
    settings = arguments.model
    if settings.from_scratch:
        return network.make_untrained(arguments.run.seed), None
    return network.load_pretrained(settings.backbone, settings.backbone_revision, arguments.run.seed)


def _trainer(arguments: Arguments, dataset: XrayDataset, model: ResNetForImageClassification) -> CovidTrainer:
    run = arguments.run
    model.config.dataset_fingerprint = dataset.report["fingerprint"]
    model.config.synthetic_data = dataset.synthetic
    model.config.random_weights = getattr(model.config, "random_weights", False)
    model.to(memory_format=torch.channels_last)
    if arguments.model.freeze_backbone:
        model.resnet.requires_grad_(False)
    processor = make_processor(arguments.model.input_size)
    images = dataset.report["splits"]["train"]["labels"]
    patience = run.early_stopping_patience
    return CovidTrainer(
        model=model,
        args=run,
        train_dataset=_training_rows(arguments, dataset),
        eval_dataset=dataset.splits["validation"].select_columns(COLUMNS),
        data_collator=collator(processor),
        processing_class=processor,
        augmentation=Augmentation(arguments.augmentation, run.seed),
        class_weights=class_weights(images) if run.class_weights == "balanced" else None,
        freeze_backbone=arguments.model.freeze_backbone,
        callbacks=[StopOnSignal(), *([EarlyStoppingCallback(patience)] if patience else [])],
    )


def _training_rows(arguments: Arguments, dataset: XrayDataset) -> object:
    """The training split as the Trainer takes it: a table, or this process's part of a stream."""
    rows, run = dataset.splits["train"].select_columns(COLUMNS), arguments.run
    if not arguments.data.streaming:
        return rows
    return TrainingStream(
        rows,
        dataset.report["splits"]["train"]["images"],
        run.per_device_train_batch_size,
        run.seed,
        arguments.data.shuffle_buffer,
        run.process_index,
        run.world_size,
    )


def _was_stopped(trainer: CovidTrainer) -> bool:
    stoppers = [c for c in trainer.callback_handler.callbacks if isinstance(c, StopOnSignal)]
    return any(stopper.requested for stopper in stoppers)


def _say_how_to_resume(trainer: CovidTrainer) -> None:
    state, run = trainer.state, trainer.args
    if trainer.is_world_process_zero():
        print(
            f"stopped at step {state.global_step} of {state.max_steps}, nothing evaluated or published; "
            f"go on with the same command and --resume_from_checkpoint true (checkpoints: {run.output_dir})"
        )
