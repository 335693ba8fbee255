"""Training on CUDA against what the card's matrix units can do, and how long the card waits meanwhile."""

import statistics
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from rows import inputs
from rows.machine import matrix_rate
from rows.record import Figure, Figures, NotMeasured, Row, Settings, Target
from rows.steps import StepTimes, synchronize
from rows.training import OurTrainers

_FLOP_PER_IMAGE = 3 * 8.2e9
"""Of a ResNet-50 at 224 px, forward and backward, two for each multiplication with addition."""

_BATCH = 128
_STEPS = 12


class ProfiledSteps(StepTimes):
    """Records what the card does from the end of the second step to that of the last."""

    def __init__(self) -> None:
        super().__init__("cuda")
        self.profile = profile(activities=[ProfilerActivity.CUDA])
        self.wall = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start or stop recording."""
        super().on_step_end()
        if state.global_step == 2:
            self.profile.start()
            self.wall = -time.perf_counter()
        if state.global_step == state.max_steps:
            synchronize("cuda")
            self.wall += time.perf_counter()
            self.profile.stop()

    @property
    def waiting(self) -> float:
        """The share of the time in which the card had nothing to do."""
        busy = sum(event.self_device_time_total for event in self.profile.key_averages()) / 1e6
        return max(0.0, 1 - busy / self.wall)


def measure(settings: Settings) -> Figures:
    """Train a few steps several times; the median of the rounds."""
    if settings.device != "cuda" or not torch.cuda.is_available():
        raise NotMeasured("it needs a CUDA device: python benchmarks/bench.py --only card --device cuda")
    batch = 2 if settings.quick else _BATCH
    trainers = OurTrainers(settings, inputs.input_size(settings), batch, _STEPS)
    rounds = []
    for _ in range(settings.rounds):
        trainer, steps = trainers(), ProfiledSteps()
        trainer.add_callback(steps)
        trainer.train()
        rounds.append((batch * (_STEPS - 2) / steps.wall, steps.waiting))
    speed, waiting = (statistics.median(values) for values in zip(*rounds, strict=True))
    matrix = matrix_rate("cuda", torch.bfloat16)
    said = f"{speed:.0f} images/s in {trainers.precision}; matrix products in bf16 reach {matrix / 1e12:.0f} TFLOP/s"
    return {
        "rate": Figure(100 * speed * _FLOP_PER_IMAGE / matrix, said=said),
        "waiting": Figure(100 * waiting, said="kernels' time against the clock, by torch.profiler"),
    }


ROW = Row(
    "card",
    {
        "rate": Target(f"training on CUDA, 224 px, batch {_BATCH}", "the card's measured matrix rate", None, True, "%"),
        "waiting": Target("the same: time in which the card waits", "the time of the steps", None, False, "%"),
    },
    measure,
)
