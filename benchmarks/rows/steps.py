"""Training steps of a ResNet: on tensors in memory in every way there is, and through a Trainer."""

import itertools
import shutil
import time
from typing import Any, NamedTuple

import torch
from measure import in_turn
from torch.nn import functional
from tqdm import tqdm
from transformers import ResNetConfig, ResNetForImageClassification, Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from cxr.training.arguments import precisions as hardware_precisions


class Way(NamedTuple):
    """How a step is computed."""

    precision: str
    channels_last: bool
    compiled: bool

    def __str__(self) -> str:
        return f"{self.precision} {'NHWC' if self.channels_last else 'NCHW'} {'compiled' if self.compiled else 'eager'}"


class StepInMemory:
    """One training step of all layers, on a batch that lies on the device; calling it returns its seconds."""

    def __init__(self, way: Way, config: ResNetConfig, size: int, batch: int, device: str):
        torch.manual_seed(0)
        layout = torch.channels_last if way.channels_last else torch.contiguous_format
        model = ResNetForImageClassification(config).train().to(device).to(memory_format=layout)  # type: ignore[call-arg]
        self._network = torch.compile(model) if way.compiled else model
        self._autocast = torch.autocast(device, torch.bfloat16, enabled=way.precision == "bf16")
        self._optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        self._images = torch.randn(batch, 3, size, size).to(device).contiguous(memory_format=layout)
        self._labels = torch.arange(batch, device=device) % 2
        self._device = device

    def __call__(self) -> float:
        """Take a step."""
        start = time.perf_counter()
        with self._autocast:
            logits = self._network(pixel_values=self._images).logits
        functional.cross_entropy(logits.float(), self._labels).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        synchronize(self._device)
        return time.perf_counter() - start


class Screening(NamedTuple):
    """The seconds of a step in every way, and the steps of the two fastest ways; `words` says what was left out."""

    seconds: dict[Way, float]
    steps: dict[Way, StepInMemory]
    words: str

    @property
    def gain_of_bf16(self) -> float | None:
        """How many times as fast as in fp32 a step is in bf16, each in its fastest way; None where bf16 is emulated."""
        best = {way.precision: seconds for way, seconds in sorted(self.seconds.items(), key=lambda item: -item[1])}
        return best["fp32"] / best["bf16"] if "bf16" in best else None


def screen(config: ResNetConfig, size: int, batch: int, device: str, compile_too: bool) -> Screening:
    """Take a step in each way after one that warms up, and keep the two fastest."""
    seconds: dict[Way, float] = {}
    steps: dict[Way, StepInMemory] = {}
    ways, words = _ways(device, compile_too)
    for way in tqdm(ways, desc="ways of a step", leave=False):
        step = StepInMemory(way, config, size, batch, device)
        step()
        seconds[way], steps[way] = step(), step
        for slow in sorted(seconds, key=seconds.__getitem__)[2:]:
            steps.pop(slow, None)
    return Screening(seconds, steps, words)


def _ways(device: str, compile_too: bool) -> tuple[list[Way], str]:
    """The ways that are worth trying on a device, and what was left out."""
    precisions, words = ("fp32", "bf16"), ""
    if "bf16" not in hardware_precisions(use_cpu=device == "cpu"):
        precisions, words = ("fp32",), "; bf16 was left out: it is emulated here"
    if compile_too and not _has_compiler(device):
        compile_too, words = False, f"{words}; nothing was compiled: there is no C++ compiler"
    compiled = (False, True) if compile_too else (False,)
    return list(itertools.starmap(Way, itertools.product(precisions, (False, True), compiled))), words


def fastest_in_memory(found: Screening, rounds: int) -> tuple[Way, list[float]]:
    """The faster of the two ways that were kept, with the seconds of its steps, both taken in turn."""
    seconds = in_turn(found.steps, rounds)
    best = min(seconds, key=lambda way: sorted(seconds[way])[rounds // 2])
    return best, seconds[best]


class StepTimes(TrainerCallback):
    """Notes when a Trainer has a batch, and when it has taken a step with it."""

    def __init__(self, device: str):
        self._device = device
        self._begun: list[float] = []
        self._ended: list[float] = []

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        """The batch is there."""
        self._begun.append(time.perf_counter())

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """The weights have been updated."""
        synchronize(self._device)
        self._ended.append(time.perf_counter())

    @property
    def last(self) -> tuple[float, float]:
        """Seconds of the last step from the end of the one before it, and those in which it waited for its batch."""
        return self._ended[-1] - self._ended[-2], self._begun[-1] - self._ended[-2]


def last_step(trainer: Trainer, device: str) -> tuple[float, float]:
    """Train a Trainer of two steps; returns `StepTimes.last`, of the step after the one that warms up."""
    times = StepTimes(device)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(times)
    trainer.train()
    return times.last


def synchronize(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def _has_compiler(device: str) -> bool:
    return device == "cuda" or any(map(shutil.which, ("g++", "c++", "clang++")))
