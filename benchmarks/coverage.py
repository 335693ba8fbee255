"""How often the 95 % intervals hold the truth: simulated studies with several alike pictures a patient.

A picture's score is normal, half of its variance shared by all pictures of its patient, and higher by a constant where
there is COVID, so that the true AUROC is known; its probability follows from the score, exactly (calibrated) or twice
as sure as it should be. The truth of every other metric is taken from 300,000 pictures. Prints, for each design
and metric, the share of studies whose interval holds the truth, in per cent; an interval that cannot be had holds
nothing and is counted apart.

    python benchmarks/coverage.py [--studies 300] [--pictures 200]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import expit, logit

from cxr.statistics import metrics
from cxr.statistics.intervals import metric_intervals, predictive_value_intervals

AUROCS = (0.76, 0.90, 0.98)
_CROWD = 300_000


@dataclass(frozen=True)
class Design:
    """What a study is like: pictures a patient, from `least` to `most`, and whether a patient keeps one label."""

    name: str
    least: int
    most: int
    prevalence: float
    label_of: str = "patient"
    sureness: float = 1.0


DESIGNS = (
    Design("2–4 pictures, half COVID", 2, 4, 0.5),
    Design("1–5 pictures, half COVID", 1, 5, 0.5),
    Design("2–4 pictures, 20 % COVID", 2, 4, 0.2),
    Design("2–4 pictures, each its own label", 2, 4, 0.5, "picture"),
    Design("2–4 pictures, twice as sure as right", 2, 4, 0.5, sureness=2.0),
)


def draw(design: Design, auroc: float, pictures: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """A study: score float64 (N,), label int (N,) and patient int (N,) of each of `pictures` pictures."""
    patient = np.repeat(np.arange(pictures), rng.integers(design.least, design.most + 1, size=pictures))[:pictures]
    chance = rng.random(pictures) < design.prevalence
    label = (chance[patient] if design.label_of == "patient" else chance).astype(int)
    shared, own = rng.normal(size=(2, pictures)) * 0.5**0.5
    return shared[patient] + own + distance(auroc) * label, label, patient


def distance(auroc: float) -> float:
    """How far apart two normal classes of variance 1 are whose AUROC it is."""
    return NormalDist().inv_cdf(auroc) * 2**0.5


def probability(design: Design, auroc: float, score: np.ndarray) -> np.ndarray:
    """What a model says that knows the two distributions, or believes them too much."""
    apart = distance(auroc)
    return expit(design.sureness * (apart * score - apart**2 / 2 + logit(design.prevalence)))


def values(found: dict, sensitivity: object, specificity: object) -> Iterator[tuple[str, object]]:
    """The metrics by their names, then the predictive values at each prevalence, of numbers or of intervals."""
    by_bayes = metrics.predictive_values if isinstance(sensitivity, float) else predictive_value_intervals
    yield from found.items()
    for prevalence in metrics.PREVALENCES:
        ppv, npv = by_bayes(sensitivity, specificity, prevalence)
        yield from ((f"ppv {prevalence:.0%}", ppv), (f"npv {prevalence:.0%}", npv))


def coverage(design: Design, auroc: float, studies: int, pictures: int) -> dict[str, tuple[float, int]]:
    """For each metric the share of intervals that hold the truth, and how many studies had none."""
    rng, threshold = np.random.default_rng(0), design.prevalence
    score, label, _ = draw(design, auroc, _CROWD, rng)
    truth = metrics.compute_metrics(probability(design, auroc, score), label, threshold, score) | {"auroc": auroc}
    truth = dict(values(truth, truth["sensitivity"], truth["specificity"]))
    held = {name: [] for name in truth}
    for number in range(studies):
        score, label, patient = draw(design, auroc, pictures, rng)
        found = metric_intervals(probability(design, auroc, score), label, patient, threshold, score, seed=number)
        for name, interval in values(found, found["sensitivity"], found["specificity"]):
            held[name].append(None if interval is None else interval.low <= truth[name] <= interval.high)
    return {
        name: (float(np.mean([found for found in all_found if found is not None])), all_found.count(None))
        for name, all_found in held.items()
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a table for every design: a row for each metric, a column for each true AUROC."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=300, help="simulated studies of each kind")
    parser.add_argument("--pictures", type=int, default=200, help="pictures in a study")
    options = parser.parse_args(arguments)
    for design in DESIGNS:
        columns = [coverage(design, auroc, options.studies, options.pictures) for auroc in AUROCS]
        print(f"\n{design.name}; {options.studies} studies of {options.pictures} pictures")
        print(f"{'true AUROC':<20}" + "".join(f"{auroc:>8}" for auroc in AUROCS))
        for name in columns[0]:
            cells = [f"{100 * share:.1f}{f' ({none})' if none else ''}" for share, none in (c[name] for c in columns)]
            print(f"{name:<20}" + "".join(f"{cell:>8}" for cell in cells))


if __name__ == "__main__":
    main()
