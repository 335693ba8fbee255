"""What processes do beside busy neighbours; each prints the seconds of every repetition, without the first."""

import time
from collections.abc import Callable
from pathlib import Path

from transformers import ResNetConfig

from cxr.serving.predictor import Predictor
from rows.answers import answer_with_heatmap
from rows.steps import StepInMemory, Way


def training(size: int, batch: int, steps: int) -> None:
    """Steps of a ResNet-50."""
    print_seconds(StepInMemory(Way("fp32", True, False), ResNetConfig(num_labels=2), size, batch, "cpu"), steps)


def answers(model: str, image: str, count: int) -> None:
    """Answers to one file, with its heatmap."""
    predictor = Predictor.load(model)
    print_seconds(lambda: answer_with_heatmap(predictor, Path(image)), count)


def print_seconds(do: Callable[[], object], count: int) -> None:
    """Do something once, then `count` times by the clock."""
    do()
    for _ in range(count):
        start = time.perf_counter()
        do()
        print(time.perf_counter() - start)
