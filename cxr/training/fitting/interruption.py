"""Stopping in an orderly way when the machine is taken away or somebody presses Ctrl-C.

The Trainer's own answer to SIGTERM (`enable_jit_checkpoint`) may save between a forward pass and its optimizer step:
BatchNorm has then counted a batch that the resumed run counts again, so the two runs end differently. This one saves
at the end of a step.
"""

import signal
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopOnSignal(TrainerCallback):
    """Finish the current step, save a checkpoint and end training; a second signal acts as it always does."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Start listening."""
        self._before = {number: signal.signal(number, self._request) for number in _SIGNALS}

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Save and stop on all ranks together, whichever of them the signal has reached."""
        if self._on_any_rank(args):
            control.should_save = control.should_training_stop = True
        return control

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """Stop listening."""
        self._restore()

    def _request(self, *args: Any) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _on_any_rank(self, args: TrainingArguments) -> bool:
        if args.world_size == 1:
            return self.requested
        flag = torch.tensor(int(self.requested), device=args.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        self.requested = bool(flag)
        return self.requested
