"""How often the 95 % intervals contain the true value: simulated studies with several correlated images per patient.

An image's score is normally distributed, with half of its variance shared by all images of its patient, and higher by a
constant if it shows COVID, so that the true AUROC is known. Its probability follows from the score, either exactly
(calibrated) or twice as confident as it should be. The true values of the other metrics are taken from 300,000 images.
Prints for each design and metric the percentage of studies whose interval contains the true value. Studies without an
interval are left out, and counted in brackets.

    python benchmarks/coverage.py [--studies 300] [--images 200]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from measure import make_parser, print_table
from scipy.special import expit, logit

from cxr.statistics import metrics
from cxr.statistics.intervals import metric_intervals, predictive_value_intervals

AUROCS = (0.76, 0.90, 0.98)
_POPULATION = 300_000
Value = TypeVar("Value")


@dataclass(frozen=True)
class Design:
    """A kind of study: images per patient, from `least` to `most`, and whether all images of a patient share a label.

    Probabilities are `confidence` times as far from the prevalence, in logits, as calibrated ones.
    """

    name: str
    least: int
    most: int
    prevalence: float
    label_per: str = "patient"
    confidence: float = 1.0


DESIGNS = (
    Design("2–4 images per patient, half COVID", 2, 4, 0.5),
    Design("1–5 images per patient, half COVID", 1, 5, 0.5),
    Design("2–4 images per patient, 20 % COVID", 2, 4, 0.2),
    Design("2–4 images per patient, a label per image", 2, 4, 0.5, "image"),
    Design("2–4 images per patient, twice as confident as calibrated", 2, 4, 0.5, confidence=2.0),
)


def simulate(
    design: Design, auroc: float, images: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A study: score float64 (N,), label int (N,) and patient int (N,) of each of N images."""
    patient = np.repeat(np.arange(images), rng.integers(design.least, design.most + 1, size=images))[:images]
    chance = rng.random(images) < design.prevalence
    label = (chance[patient] if design.label_per == "patient" else chance).astype(int)
    shared, own = rng.normal(size=(2, images)) * 0.5**0.5
    return shared[patient] + own + distance(auroc) * label, label, patient


def distance(auroc: float) -> float:
    """The distance between two normal classes of variance 1 that have this AUROC."""
    return NormalDist().inv_cdf(auroc) * 2**0.5


def probability(design: Design, auroc: float, score: np.ndarray) -> np.ndarray:
    """The probabilities of a model that knows the two distributions, at the design's confidence."""
    apart = distance(auroc)
    return expit(design.confidence * (apart * score - apart**2 / 2 + logit(design.prevalence)))


def with_predictive_values(
    values: Mapping[str, Value], predictive_values: Callable[[Value, Value, float], tuple[Value, Value]]
) -> dict[str, Value]:
    """The metrics (or their intervals) and the predictive values at each prevalence, by name."""
    complete = dict(values)
    for prevalence in metrics.PREVALENCES:
        ppv, npv = predictive_values(values["sensitivity"], values["specificity"], prevalence)
        complete |= {f"ppv {prevalence:.0%}": ppv, f"npv {prevalence:.0%}": npv}
    return complete


def coverage(design: Design, auroc: float, studies: int, images: int) -> dict[str, tuple[float, int]]:
    """For each metric the share of intervals that contain the true value, and how many studies had no interval."""
    rng, threshold = np.random.default_rng(0), design.prevalence
    score, label, _ = simulate(design, auroc, _POPULATION, rng)
    truth = metrics.compute_metrics(probability(design, auroc, score), label, threshold, score) | {"auroc": auroc}
    truth = with_predictive_values(truth, metrics.predictive_values)
    contained: dict[str, list[bool]] = {name: [] for name in truth}
    for number in range(studies):
        score, label, patient = simulate(design, auroc, images, rng)
        scores = probability(design, auroc, score)
        intervals = metric_intervals(scores, label, patient, threshold, score, seed=number)
        for name, interval in with_predictive_values(intervals, predictive_value_intervals).items():
            if interval is not None:
                contained[name].append(interval.low <= truth[name] <= interval.high)
    return {name: (float(np.mean(inside)), studies - len(inside)) for name, inside in contained.items()}


def main(arguments: list[str] | None = None) -> None:
    """Print a table for every design: a row for each metric, a column for each true AUROC."""
    parser = make_parser(__doc__)
    parser.add_argument("--studies", type=int, default=300, help="simulated studies of each kind (%(default)s)")
    parser.add_argument("--images", "--pictures", type=int, default=200, help="images in a study (%(default)s)")
    options = parser.parse_args(arguments)
    for design in DESIGNS:
        columns = [coverage(design, auroc, options.studies, options.images) for auroc in AUROCS]
        print(f"\n{design.name}; {options.studies} studies of {options.images} images")
        rows = [[name, *(_cell(*column[name]) for column in columns)] for name in columns[0]]
        print_table(["true AUROC", *AUROCS], rows)


def _cell(share: float, without: int) -> str:
    return f"{100 * share:.1f} ({without})" if without else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
