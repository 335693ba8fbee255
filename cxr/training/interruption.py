"""A run that is stopped and continued ends with the same weights, metrics and log as one that never was.

The Trainer's own resumption (transformers 5.23) differs from an undisturbed run in five ways, which are mended here:

- where an epoch breaks off it evaluates, and that evaluation may become the best one;
- a checkpoint of an epoch's last step is saved before what the end of the epoch evaluates and logs, which is then lost;
- the means that are logged for an epoch, and the count of early stopping, begin anew;
- continued after its last step, or after early stopping, it takes one step more;
- the best checkpoint is looked for where the run folder was when it was saved.
"""

import json
import signal
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import gather_object, wait_for_everyone
from torch import distributed, nn
from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.utils import SAFE_WEIGHTS_NAME

from cxr.errors import UserError
from cxr.training.data.images import UnreadableData

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CHECKPOINT = "checkpoint-"
_FILES = (SAFE_WEIGHTS_NAME, OPTIMIZER_NAME, SCHEDULER_NAME)


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints in a run folder, oldest first; not one that was being written when the run died."""
    complete = filter(is_complete, folder.glob(f"{_CHECKPOINT}*"))
    return sorted(complete, key=lambda path: int(path.name.removeprefix(_CHECKPOINT)))


def is_complete(checkpoint: Path) -> bool:
    """Whether all files are there, and the last one that the Trainer writes can be read to its end."""
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((checkpoint / name).is_file() for name in _FILES)


class StopOnSignal(TrainerCallback):
    """On SIGTERM or Ctrl-C, finish the current step, save a checkpoint and end training.

    A second signal has its usual effect. The Trainer's own answer to SIGTERM (`enable_jit_checkpoint`) may save between
    a forward pass and its optimizer step: BatchNorm has then counted a batch that the resumed run counts again, so the
    two runs end with different weights. This one saves at the end of a step, and at the end of an epoch after all that
    belongs to it.
    """

    def __init__(self) -> None:
        self.requested = False
        """Whether all ranks know that one of them received a signal."""
        self.in_epoch = False
        """Whether the end of the current epoch is still to come."""
        self.broke_off = False
        """Whether training ends in the middle of the current epoch."""
        self.save_is_due = False
        """Whether a checkpoint is to be saved at the end of the current epoch."""
        self._received = False
        self._handlers_before: dict[int, Any] = {}

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Start listening."""
        self._handlers_before = {number: signal.signal(number, self._receive) for number in _SIGNALS}

    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is due yet."""
        self.in_epoch, self.broke_off, self.save_is_due = True, False, False

    def on_step_end(self, args: TrainingArguments, *others: Any, **kwargs: Any) -> None:
        """Find out whether to stop, on all ranks together, whichever of them received the signal."""
        self._agree(args)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Save what is due; but where the epoch only broke off, its end is still to come."""
        self._agree(args)
        self.in_epoch = False
        if self.broke_off:
            control.should_log = control.should_evaluate = control.should_save = False
        control.should_save = control.should_save or self.save_is_due
        return control

    def on_train_end(self, args: TrainingArguments, *others: Any, **kwargs: Any) -> None:
        """Stop listening."""
        self._agree(args)
        self._restore()

    def _receive(self, *args: Any) -> None:
        self._received = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self._handlers_before = {}

    def _agree(self, args: TrainingArguments) -> None:
        self.requested = self.on_any_rank(args, self._received)

    @staticmethod
    def on_any_rank(args: TrainingArguments, flag: bool) -> bool:
        """Whether the flag is set on any rank; all of them must call this."""
        if args.world_size == 1:
            return flag
        flags = torch.tensor(int(flag), device=args.device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags)


class EarlyStopping(EarlyStoppingCallback):
    """Early stopping that goes on counting where the checkpoint that a run continues from left off."""

    @property
    def is_due(self) -> bool:
        """Whether the last evaluation was the last one without an improvement that is allowed."""
        return self.early_stopping_patience_counter >= self.early_stopping_patience

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take over the count; the Trainer would restore the limit as well, which may have been changed since."""
        super().on_train_begin(args, state, control, **kwargs)
        saved = cast(dict[str, Any], state.stateful_callbacks).setdefault(type(self).__name__, self.state())
        self.early_stopping_patience_counter = saved["attributes"]["early_stopping_patience_counter"]


class ResumableTrainer(Trainer):
    """A Trainer that can be stopped by a signal, or killed, and continued as if nothing had happened."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._stop, self._saved_step = StopOnSignal(), -1
        self.add_callback(self._stop)

    @property
    def network(self) -> nn.Module:
        """The network that is trained, not wrapped for several processes."""
        if self.model is None:
            raise ValueError("the trainer has no model")
        return self.model

    @property
    def was_stopped(self) -> bool:
        """Whether a signal ended training, and its last step is saved."""
        return self._stop.requested and self._saved_step == self.state.global_step

    @property
    def has_trained_enough(self) -> bool:
        """Whether no step is left to take."""
        callbacks = self.callback_handler.callbacks
        stopped_early = any(callback.is_due for callback in callbacks if isinstance(callback, EarlyStopping))
        return stopped_early or self.state.global_step >= self.state.max_steps

    def sums(self) -> dict[str, Any]:
        """What this rank has summed up since the last entry of the log, as JSON holds it exactly."""
        return {"loss": self._tr_loss.item(), "since_step": self._globalstep_last_logged}

    def restore_sums(self, sums: dict[str, Any]) -> None:
        """Take back what `sums` gave."""
        self._tr_loss = torch.tensor(sums["loss"], device=self.args.device)
        self._globalstep_last_logged = sums["since_step"]

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if self.has_trained_enough:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        epochs_and_steps = super()._init_training_state(*args, **kwargs)
        resume = args[3]
        if resume is not None:
            self.state.best_model_checkpoint = self._find_best(Path(resume))
        return epochs_and_steps

    def _find_best(self, resume: Path) -> str | None:
        """The best checkpoint that `resume` names, wherever the run folder lies now."""
        recorded = json.loads((resume / TRAINER_STATE_NAME).read_text(encoding="utf-8"))["best_model_checkpoint"]
        if recorded is None:
            return None
        name = Path(recorded).name
        for folder in (Path(self._get_output_dir(None)), resume.parent, Path(recorded).parent):
            if is_complete(folder / name):
                return str(folder / name)
        if not self.args.load_best_model_at_end:
            return None
        raise UserError(
            f"--resume_from_checkpoint {resume}: the best checkpoint so far, {name}, is gone: put it back, or start "
            "anew in another --output_dir"
        )

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
        """The next batches; if one rank cannot read one of its own, all of them save a checkpoint and end.

        Raises:
            UnreadableData: that of the first rank that has one.
        """
        problem: str | None = None
        samples: tuple[list[Any], Any] = ([], None)
        try:
            samples = super().get_batch_samples(*args, **kwargs)
        except UnreadableData as error:  # from a data-loading worker it comes with a traceback, whose last line says it
            problem = str(error).strip().rsplit(f"{type(error).__name__}: ", 1)[-1]
        if self._stop.on_any_rank(self.args, problem is not None):
            if self._saved_step != self.state.global_step > 0:
                self._save_for_stop()
            raise UnreadableData(next(text for text in gather_object([problem]) if text))
        return samples

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        super()._maybe_log_save_evaluate(*args, **kwargs)
        if not self._stop.requested or self._epoch_is_about_to_end:
            return
        if self._saved_step != self.state.global_step:
            self._save_for_stop()
        self._stop.broke_off = self._stop.in_epoch
        self.control.should_training_stop = True

    @property
    def _epoch_is_about_to_end(self) -> bool:
        """Whether the step that just ended is the last one of its epoch, or of training."""
        is_last = self.control.should_training_stop or float(self.state.epoch or 0).is_integer()
        return self._stop.in_epoch and is_last

    def _save_for_stop(self) -> None:
        """Save a checkpoint that an undisturbed run has not, and to whose weights it cannot go back either."""
        if self.state.best_global_step == self.state.global_step:
            self.state.best_global_step = None
        super()._save_checkpoint(self.network, None)
        self._saved_step = self.state.global_step
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Save now, or at the end of an epoch after what that end evaluates and logs."""
        if self._epoch_is_about_to_end:
            self._stop.save_is_due = True
        else:
            super()._save_checkpoint(*args, **kwargs)
            self._saved_step = self.state.global_step

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self._sums_file(output_dir).write_text(json.dumps(self.sums()), encoding="utf-8")
        wait_for_everyone()  # the first rank then writes the file that makes a checkpoint complete

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)
        if checkpoint and self._sums_file(checkpoint).is_file():
            self.restore_sums(json.loads(self._sums_file(checkpoint).read_text(encoding="utf-8")))

    def _sums_file(self, checkpoint: str) -> Path:
        return Path(checkpoint) / f"sums_{self.args.process_index}.json"
