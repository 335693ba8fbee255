"""What is wrong with a run's settings, found before anything is read: one line that names the flag and the way out."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from transformers.integrations import get_reporting_integration_callbacks

from cxr.errors import UserError, one_line
from cxr.schema.metrics import METRIC_NAMES
from cxr.statistics.metrics import ERRORS

if TYPE_CHECKING:
    from cxr.training.arguments import Arguments, ModelArguments, RunArguments

METHODS = ("head", "lp_ft", "full")
_SEEDS = 2**32


def check(arguments: Arguments) -> None:
    """Refuse settings that cannot work.

    Raises:
        UserError: naming the first of them.
    """
    run, model = arguments.run, arguments.model
    for external in arguments.data.external:
        if not all(external.partition("=")):
            raise UserError(
                f"--external {external}: expected NAME=DATASET, a name of your choice and a prepared dataset"
            )
    if not arguments.data.dataset:
        raise UserError("--dataset is missing: name a folder from `python -m dataset_script`, or a Hub id")
    if model.input_size < 32:
        raise UserError(f"--input_size {model.input_size} is too small for a ResNet: 32 at least, 224 by default")
    _check_method(model)
    if run.class_weights not in ("balanced", "none"):
        raise UserError(f"--class_weights {run.class_weights!r} is neither balanced nor none")
    if not 0 < run.target_sensitivity <= 1:
        raise UserError(f"--target_sensitivity {run.target_sensitivity} must lie above 0 and at most at 1")
    if run.publish and not run.hub_model_id:
        raise UserError("--push_to_hub needs --hub_model_id USER/NAME")
    if run.hub_space and not run.publish:
        raise UserError("--hub_space needs --push_to_hub: a Space shows a published model")
    _check_numbers(arguments)
    _check_seeds(run)
    _check_surroundings(run)


def _check_method(model: ModelArguments) -> None:
    if model.method not in METHODS:
        raise UserError(f"--method {model.method!r} is none of {', '.join(METHODS)}")
    if model.from_scratch and model.freeze_backbone:
        raise UserError("--freeze_backbone with --from_scratch would freeze random weights: leave one of them out")
    if model.from_scratch and model.method != "full":
        raise UserError(f"--method {model.method} with --from_scratch would fit a head to random features: say full")
    if model.freeze_backbone and model.method != "full":
        raise UserError(f"--freeze_backbone with --method {model.method}: leave one of them out")


def _check_seeds(run: RunArguments) -> None:
    for seed in run.seeds:
        if not (seed.isdecimal() and int(seed) < _SEEDS):
            raise UserError(f"--seeds {','.join(run.seeds)}: expected whole numbers below 2**32, such as 0,1,2")
    if len(set(map(int, run.seeds))) < len(run.seeds):
        raise UserError(f"--seeds {','.join(run.seeds)} names one seed twice")
    if run.seeds and run.resume_from_checkpoint not in (None, "true", "True", "false", "False"):
        raise UserError(f"--resume_from_checkpoint {run.resume_from_checkpoint} with --seeds: say true")


def _check_numbers(arguments: Arguments) -> None:
    run = arguments.run
    for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
        if getattr(run, name) < 1:
            raise UserError(f"--{name} {getattr(run, name)} must be at least 1")
    for name, value in dataclasses.asdict(arguments.augmentation).items():
        if not 0 <= value < (180 if name == "rotate" else 1):
            raise UserError(f"--{name} {value} must be 0 (off) or more, and below {180 if name == 'rotate' else 1}")
    for part, name in ((arguments.model, "head_views"), (arguments.data, "shuffle_buffer")):
        if getattr(part, name) < 1:
            raise UserError(f"--{name} {getattr(part, name)} must be at least 1")
    if not 0 <= run.seed < _SEEDS:
        raise UserError(f"--seed {run.seed} must lie between 0 and 2**32 - 1")
    if run.max_steps <= 0 and not run.num_train_epochs > 0:
        raise UserError(f"--num_train_epochs {run.num_train_epochs} trains nothing: name more than 0, or --max_steps")
    best = ("loss", *(name for name in METRIC_NAMES if name not in ERRORS))
    if run.metric_for_best_model.removeprefix("eval_") not in best:
        known = ", ".join(best)
        raise UserError(f"--metric_for_best_model {run.metric_for_best_model!r} is none of {known}")


def _check_surroundings(run: RunArguments) -> None:
    """Find out now what would otherwise end the run after the data has been read, or after it has been trained on."""
    try:
        Path(run.output_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output_dir {run.output_dir} cannot be made ({error.strerror}): name another") from error
    if not os.access(run.output_dir, os.W_OK):
        raise UserError(f"--output_dir {run.output_dir} cannot be written to: name another")
    for reporter in run.report_to:
        try:
            for callback in get_reporting_integration_callbacks([reporter]):
                callback()
        except ValueError as error:
            raise UserError(f"--report_to {reporter}: {one_line(error)}") from error
        except (ImportError, RuntimeError) as error:
            package = reporter.replace("_", "-")
            raise UserError(f"--report_to {reporter}: {one_line(error)} (pip install {package})") from error
