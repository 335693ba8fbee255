"""Training and answers beside busy neighbours, with threads as this project's commands set them, against alone."""

import statistics
from collections.abc import Sequence
from functools import partial

import joblib
from measure import ROOT, in_turn
from neighbours import seconds_beside

from rows import inputs
from rows.record import Figure, Figures, Row, Settings, Target, ratio

_AS_COMMANDS = "from cxr.cli import let_threads_sleep; let_threads_sleep()"

PATHS = {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
"""Environment in which a process finds this checkout."""

_ROUNDS = 3
_BOUNDS = {0: 1.05, 1: 2.2, 2: 2.5}
_OPENMP = -1
"""The way alone whose threads wait as OpenMP's do by default."""

_NAMES = {"training": "training steps", "answers": "answers"}
_BESIDE = {
    0: ("alone", "alone, with threads as OpenMP sets them or as the commands do, whichever is faster"),
    1: ("beside one busy neighbour", "alone"),
    2: ("beside two busy neighbours", "alone"),
}


def measure(settings: Settings) -> Figures:
    """Processes beside none, one and two, and one alone whose threads wait as OpenMP's do by default, in turn.

    A machine that others use as well is faster at one minute than at the next.
    """
    training = (32, 2, 2) if settings.quick else (160, 8, 3)
    answers = (inputs.published_model(settings), str(inputs.native_images(settings, 1).files[0]), 5)
    return _measure("training", training) | _measure("answers", answers)


def code(name: str, arguments: Sequence[object]) -> str:
    """What a process runs; `PATHS` must be in its environment."""
    return f"from rows import workloads; workloads.{name}{tuple(arguments)!r}"


def _measure(name: str, arguments: Sequence[object]) -> Figures:
    work = code(name, arguments)
    as_commands = f"{_AS_COMMANDS}\n{work}"
    ways = {count: partial(_seconds, count, as_commands) for count in _BOUNDS} | {_OPENMP: partial(_seconds, 0, work)}
    taken = in_turn(ways, _ROUNDS)
    openmp = statistics.median(taken.pop(_OPENMP))
    median = {count: statistics.median(seconds) for count, seconds in taken.items()}
    best = min(median[0], openmp)
    ms = [f"{1000 * seconds:.0f} ms" for seconds in median.values()]
    said = f"alone {ms[0]}, beside one {ms[1]}, beside two {ms[2]}; OpenMP's default alone {1000 * openmp:.0f} ms"
    against = {count: [median[0] if count else best] * len(seconds) for count, seconds in taken.items()}
    return {
        f"{name} {count}": Figure(**ratio(seconds, against[count]), said=said, reason=_fair_share(count))
        for count, seconds in taken.items()
    }


def _seconds(neighbours: int, work: str) -> float:
    """Of one repetition in a process beside so many busy ones."""
    return statistics.median(seconds_beside(neighbours, ["-c", work], PATHS))


def _fair_share(neighbours: int) -> str:
    cores = joblib.cpu_count()
    return f"a fair share of {cores} cores would make it {(cores + neighbours) / cores:.2f} times" if neighbours else ""


ROW = Row(
    "neighbours",
    {
        f"{name} {count}": Target(f"{work} {words}, time of one", peer, _BOUNDS[count])
        for name, work in _NAMES.items()
        for count, (words, peer) in _BESIDE.items()
    },
    measure,
    devices=("cpu",),
)
