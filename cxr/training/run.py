"""A training run from start to end: check, train, save, evaluate the reloaded model, write the card, publish."""

import logging
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import datasets
import torch
import transformers
from accelerate.utils import broadcast_object_list, wait_for_everyone
from transformers import ResNetForImageClassification

from cxr.cli import command
from cxr.errors import UserError, disk_problem
from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.network import model as network
from cxr.schema.model_repo import CARD
from cxr.training import box_loss, seeds
from cxr.training.arguments import Arguments, RunArguments, parse
from cxr.training.data.batches import COLUMNS, Augmentation, class_weights, collator
from cxr.training.data.dataset import XrayDataset, load, load_external
from cxr.training.data.images import UnreadableData, with_place
from cxr.training.data.streaming import TrainingStream
from cxr.training.finalize import External, Training, finalize
from cxr.training.head import LogAtStart, fit_head
from cxr.training.interruption import EarlyStopping, checkpoints, is_complete
from cxr.training.precision import with_precision
from cxr.training.publishing import publication
from cxr.training.publishing.publication import Destination
from cxr.training.resizing import ProgressiveResizing
from cxr.training.trainer import CovidTrainer

INTERRUPTED = 143
"""Exit code of a run that was stopped: 128 + SIGTERM, as a shell would report it."""


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns 143 if training was stopped by a signal (its checkpoint is saved)."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    run = arguments.run
    _quieten(run)
    resume = checkpoint_to_resume(arguments)
    with run.main_process_first():
        destination = _preflight(run)
        dataset, external = _load_data(arguments)
    repo_id = destination.repo_id if destination else run.hub_model_id
    if run.seeds:
        finished = train_seeds(arguments, dataset, external, repo_id)
    else:
        finished = train(arguments, dataset, external, resume, repo_id)
    if not finished:
        return INTERRUPTED
    if destination:
        print(publication.upload(run.model_dir, destination))
    wait_for_everyone()
    return 0


def _quieten(run: RunArguments) -> None:
    """Only the first rank prints; libraries print nothing but errors."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if run.process_index != 0:
        datasets.utils.logging.disable_progress_bar()


def _preflight(run: RunArguments) -> Destination | None:
    """Where the first rank will publish, checked before training; None on other ranks, or if nothing is published."""
    if not run.push_to_hub or run.hub_model_id is None or run.process_index != 0:
        return None
    to = Destination(run.hub_model_id, run.hub_tag, run.hub_space, run.hub_private_repo)
    was_finished = run.resume_from_checkpoint and (run.model_dir / CARD).is_file()
    return publication.preflight(to, run.model_dir if was_finished else None)


def _load_data(arguments: Arguments) -> tuple[XrayDataset, External]:
    data, size, verify = arguments.data, arguments.model.input_size, arguments.run.process_index == 0
    dataset = load(data.dataset, data.dataset_revision, size, streaming=data.streaming, verify=verify)
    if arguments.run.box_weight and not dataset.report.get("boxes"):
        raise UserError(f"--box_weight {arguments.run.box_weight}: no image of --dataset {data.dataset} has boxes")
    return dataset, load_external(data.external, dataset, size, verify)


def train_seeds(arguments: Arguments, dataset: XrayDataset, external: External, repo_id: str | None) -> bool:
    """Train each seed in `OUT/seed-N` unless it is finished, and keep the best one's model; False if stopped.

    All ranks must call this.
    """
    run = arguments.run
    for seed in run.seeds:
        one = arguments.for_seed(int(seed))
        folder = Path(one.run.output_dir)
        # The first rank decides: other nodes need not share its disk.
        is_finished = broadcast_object_list([(folder / seeds.FINISHED).is_file()])[0]
        if is_finished:
            continue
        resume = next(reversed(checkpoints(folder)), None)
        if not train(one, dataset, external, resume, repo_id):
            return False
        if run.process_index == 0:
            (folder / seeds.FINISHED).touch()
    if run.process_index == 0:
        print(seeds.keep_best(run, repo_id))
    return True


def train(
    arguments: Arguments, dataset: XrayDataset, external: External, resume: Path | None, repo_id: str | None
) -> bool:
    """Train, save, evaluate and describe one model; False if training was stopped (its checkpoint is saved).

    All ranks must call this. `resume` is the checkpoint to continue from; `repo_id` is where the card says that the
    model can be loaded from.

    Raises:
        UserError: if the backbone cannot be loaded, an image cannot be used, or a file cannot be written.
    """
    try:
        return _train(arguments, dataset, external, resume, repo_id)
    except UnreadableData as error:
        raise UserError(f"--dataset {dataset.name}: {with_place(error, dataset.shards)}; {_hint(arguments)}") from error
    except Exception as error:
        problem = disk_problem(error)
        if problem is None:
            raise
        _discard_unfinished(arguments.run)
        raise UserError(f"--output_dir {arguments.run.output_dir}: {problem}; {_hint(arguments)}") from error


def _hint(arguments: Arguments) -> str:
    """How to go on after a run that ended too early."""
    if checkpoints(Path(arguments.run.output_dir)):
        return "once this is mended, continue with the same command and --resume_from_checkpoint true"
    return "once this is mended, start again: no step was saved"


def _discard_unfinished(run: RunArguments) -> None:
    """Delete what was being written when the run ended; it takes space and cannot be used."""
    if run.should_save:
        unfinished = [path for path in Path(run.output_dir).glob("checkpoint-*") if not is_complete(path)]
        for folder in (*unfinished, run.draft_dir.parent):
            shutil.rmtree(folder, ignore_errors=True)


def _train(
    arguments: Arguments, dataset: XrayDataset, external: External, resume: Path | None, repo_id: str | None
) -> bool:
    run, views = arguments.run, arguments.model.head_views
    with run.main_process_first():
        model, backbone_revision = _starting_model(arguments)
    arguments = with_precision(arguments, model, resumed=resume is not None)
    trainer = make_trainer(arguments, dataset, model)
    start = time.monotonic()
    if arguments.model.method in ("head", "lp_ft") and resume is None:
        trainer.add_callback(LogAtStart(trainer, fit_head(trainer, dataset, views)))
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))  # no epoch if only a head is fitted
    if trainer.was_stopped:
        _print_how_to_resume(trainer)
        return False
    seconds = time.monotonic() - start
    _save(trainer, run.draft_dir)
    finalize(arguments, dataset, external, Training(trainer.state, backbone_revision, seconds), repo_id)
    return True


def _starting_model(arguments: Arguments) -> tuple[ResNetForImageClassification, str | None]:
    """The network before training, and the revision of its backbone."""
    settings = arguments.model
    if settings.from_scratch:
        return network.make_untrained(arguments.run.seed), None
    return network.load_pretrained(settings.backbone, settings.backbone_revision, arguments.run.seed)


def make_trainer(arguments: Arguments, dataset: XrayDataset, model: ResNetForImageClassification) -> CovidTrainer:
    """The Trainer of a run, before its first step; `model` is what it trains."""
    run, freeze = arguments.run, arguments.model.freeze_backbone
    model.config.dataset_fingerprint = dataset.report["fingerprint"]
    model.config.synthetic_data = dataset.synthetic
    model.config.random_weights = getattr(model.config, "random_weights", False)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # wrapped by transformers without its self
    if freeze:
        model.resnet.requires_grad_(False)
    if run.box_weight:
        channels = list(model.config.hidden_sizes or ())[-2]
        model.add_module(box_loss.NAME, box_loss.BoxLoss(channels, run.box_weight, run.heatmap_weight))
    processor = make_processor(arguments.model.input_size)
    images = dataset.report["splits"]["train"]["labels"]
    stop_early = [EarlyStopping(run.early_stopping_patience)] if run.early_stopping_patience else []
    return CovidTrainer(
        model=model,
        args=arguments.for_trainer(),
        train_dataset=_training_rows(arguments, dataset),
        eval_dataset=dataset.splits["validation"].select_columns(COLUMNS),
        data_collator=collator(partial(to_pixel_values, processor=processor)),
        processing_class=processor,
        augmentation=Augmentation(arguments.augmentation, run.seed),
        class_weights=class_weights(images) if run.class_weights == "balanced" else None,
        freeze_backbone=freeze,
        resizing=ProgressiveResizing(run.progressive_resizing, arguments.model.input_size),
        with_boxes=run.box_weight > 0,
        callbacks=stop_early,
    )


def _training_rows(arguments: Arguments, dataset: XrayDataset) -> datasets.Dataset | TrainingStream:
    """The training split as the Trainer takes it: a table, or this process's part of a stream."""
    run = arguments.run
    rows = dataset.splits["train"].select_columns([*COLUMNS, "boxes"] if run.box_weight else COLUMNS)
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


def _save(trainer: CovidTrainer, model_dir: Path) -> None:
    """Save weights, config and processor, without what only training needs."""
    if trainer.with_boxes:
        delattr(trainer.network, box_loss.NAME)
    if trainer.args.should_save:
        shutil.rmtree(model_dir.parent, ignore_errors=True)
    trainer.save_model(str(model_dir))
    if trainer.args.should_save:
        (model_dir / "training_args.bin").unlink(missing_ok=True)


def _print_how_to_resume(trainer: CovidTrainer) -> None:
    state, run = trainer.state, trainer.args
    if trainer.is_world_process_zero():
        print(
            f"stopped at step {state.global_step} of {state.max_steps}; nothing was evaluated or published. Continue "
            f"with the same command and --resume_from_checkpoint true (checkpoints: {run.output_dir})"
        )


def checkpoint_to_resume(arguments: Arguments) -> Path | None:
    """The checkpoint to continue from; None for a new run, for `head`, which has none, and for several seeds.

    Raises:
        UserError: if there is none though one was asked for, or if an earlier run's results would be overwritten.
    """
    run, folder = arguments.run, Path(arguments.run.output_dir)
    wanted, existing = run.resume_from_checkpoint, checkpoints(folder)
    if wanted in (None, "false", "False"):
        _require_no_earlier_run(run, existing)
        return None
    if run.seeds or arguments.model.method == "head":
        return None
    if wanted not in ("true", "True"):
        if not is_complete(Path(wanted)):
            raise UserError(f"--resume_from_checkpoint {wanted} is no complete checkpoint: name another, or use true")
        return Path(wanted)
    if not existing:
        raise UserError(f"--resume_from_checkpoint true: {folder} holds no checkpoint; leave the flag out")
    return existing[-1]


def _require_no_earlier_run(run: RunArguments, existing: Sequence[Path]) -> None:
    earlier, what = list(existing), "checkpoints"
    if run.seeds:
        earlier, what = list(Path(run.output_dir).glob("seed-*")), "seeds"
    if earlier:
        raise UserError(
            f"--output_dir {run.output_dir} holds {what} of an earlier run: continue it with "
            "--resume_from_checkpoint true, or choose another --output_dir"
        )
