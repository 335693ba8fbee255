"""What a row demands, what it measured, and how both become a verdict."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class NotMeasured(Exception):
    """A row that cannot be measured here; the message says why, and how it could be."""


@dataclass(frozen=True)
class Settings:
    """How all rows are measured.

    Attributes:
        scratch: an empty folder of the row's own.
        device: "cpu" or "cuda".
        quick: tiny networks and few images, which test the code and say nothing about speed.
        model: folder or id of a published model; without one a ResNet-50 of random weights answers.
        data: a folder with the real radiographs in `native`, `nih` and `cxnet`; without one, phantoms are used.
        keras: the Python of an environment with Keras and TensorFlow.
        demo: whether the row of the demo runs it.
    """

    scratch: Path
    device: str = "cpu"
    quick: bool = False
    model: str | None = None
    data: Path | None = None
    keras: str | None = None
    demo: bool = False

    @property
    def rounds(self) -> int:
        """How often each comparison is repeated."""
        return 1 if self.quick else 5


@dataclass(frozen=True)
class Target:
    """One line of the results.

    Attributes:
        work: what is measured.
        peer: what it is measured against, in the same run.
        bound: the demanded value; None where nothing is demanded.
        at_least: whether larger values are better.
        unit: empty for a ratio.
    """

    work: str
    peer: str
    bound: float | None
    at_least: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Figure:
    """What was measured for one target.

    Attributes:
        value: in the target's unit.
        spread: smallest and largest value of the single rounds; None where there was one.
        said: the measurements behind the value.
        bound: the target where it depends on this machine.
        reason: where the time goes, which is why a target was missed if it was.
        price: what the shortcuts cost in accuracy.
    """

    value: float
    spread: tuple[float, float] | None = None
    said: str = ""
    bound: float | None = None
    reason: str = ""
    price: str = ""


Figures = dict[str, Figure]


@dataclass(frozen=True)
class Row:
    """A group of targets that are measured together.

    Attributes:
        targets: by the keys of the figures that `measure` returns.
        measure: raises `NotMeasured` where it cannot.
        devices: on which it says something.
    """

    name: str
    targets: Mapping[str, Target]
    measure: Callable[[Settings], Figures]
    devices: tuple[str, ...] = ("cpu", "cuda")


@dataclass(frozen=True)
class Outcome:
    """What became of a row: figures, or a problem that begins with "failed" or "not measured"."""

    figures: Figures = field(default_factory=dict)
    problem: str = ""
    seconds: float = 0.0


def outcome_from(content: Mapping[str, Any]) -> Outcome:
    """An outcome from its JSON object."""
    figures = {key: Figure(**figure) for key, figure in content["figures"].items()}
    return Outcome(figures, content["problem"], content["seconds"])


@dataclass(frozen=True)
class Line:
    """A target with its outcome."""

    row: str
    target: Target
    figure: Figure | None
    problem: str

    @property
    def bound(self) -> float | None:
        """The target on this machine."""
        own = self.figure.bound if self.figure else None
        return self.target.bound if own is None else own

    @property
    def verdict(self) -> str:
        """One of met, missed, measured (where nothing is demanded), failed and not measured."""
        if self.figure is None:
            return self.problem.partition(":")[0]
        if self.bound is None:
            return "measured"
        met = self.figure.value >= self.bound if self.target.at_least else self.figure.value <= self.bound
        return "met" if met else "missed"


def line_from(content: Mapping[str, Any]) -> Line:
    """A line from its JSON object, whatever else that holds."""
    figure = content["figure"]
    if figure is not None:
        figure = Figure(**figure | {"spread": figure["spread"] and tuple(figure["spread"])})
    return Line(content["row"], Target(**content["target"]), figure, content["problem"])


def lines_of(row: Row, outcome: Outcome) -> list[Line]:
    """A line for every target of a row, whatever became of it."""
    missing = outcome.problem or "failed: the row did not measure this"
    return [
        Line(row.name, target, outcome.figures.get(key), "" if key in outcome.figures else missing)
        for key, target in row.targets.items()
    ]


def ratio(numerator: Sequence[float] | np.ndarray, denominator: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """`value` and `spread` of a `Figure` from paired measurements, (rounds,) or (rounds, N).

    The value is the ratio of the summed medians over the rounds, the spread that of the sums of single rounds.
    """
    upper, lower = (np.asarray(values, float).reshape(len(values), -1) for values in (numerator, denominator))
    single = upper.sum(axis=1) / lower.sum(axis=1)
    value = np.median(upper, axis=0).sum() / np.median(lower, axis=0).sum()
    return {"value": float(value), "spread": (float(single.min()), float(single.max())) if len(single) > 1 else None}
