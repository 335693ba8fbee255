"""How often the 95 % interval of a difference between two models contains the true one: simulated pairs of models.

As in `coverage.py`, scores are normal, half of their variance is shared by the images of a patient, and the true AUROCs
are known; here two models score the same images, with errors that are correlated between them. The true values of the
other differences are taken from 300,000 images. Prints for each design and metric the percentage of pairs whose
interval contains the true difference, and that of pairs without an interval in brackets.

    python benchmarks/comparison.py [--pairs 300] [--images 200]
"""

from dataclasses import dataclass

import numpy as np
from coverage import DESIGNS, Design, distance, probability
from measure import make_parser, print_table

from cxr.statistics import metrics
from cxr.statistics.comparison import difference_intervals
from cxr.statistics.intervals import metric_measures

AUROCS = ((0.85, 0.85), (0.90, 0.80), (0.98, 0.95))
_POPULATION = 300_000
_SHARED = 0.5


@dataclass(frozen=True)
class Pair:
    """Scores of two models, float64 (2, N), with labels and patients, int (N,) each."""

    scores: np.ndarray
    labels: np.ndarray
    patients: np.ndarray


def simulate(design: Design, aurocs: tuple[float, float], images: int, rng: np.random.Generator) -> Pair:
    """Two models on the same images; half of the variance of an error is common to both models."""
    patient = np.repeat(np.arange(images), rng.integers(design.least, design.most + 1, size=images))[:images]
    chance = rng.random(images) < design.prevalence
    label = (chance[patient] if design.label_per == "patient" else chance).astype(int)
    common, own = rng.normal(size=(2, images)), rng.normal(size=(2, 2, images))
    errors = _SHARED**0.5 * common + (1 - _SHARED) ** 0.5 * own  # (model, by patient or by image, image)
    noise = 0.5**0.5 * (errors[:, 0][:, patient] + errors[:, 1])
    apart = np.array([distance(auroc) for auroc in aurocs])[:, None]
    return Pair(noise + apart * label, label, patient)


def coverage(design: Design, aurocs: tuple[float, float], pairs: int, images: int) -> dict[str, tuple[float, float]]:
    """For each metric the share of intervals that contain the true difference, and the share of pairs without one."""
    rng, threshold = np.random.default_rng(0), design.prevalence
    population = simulate(design, aurocs, _POPULATION, rng)
    first, second = (
        metrics.compute_metrics(probability(design, auroc, score), population.labels, threshold, score)
        for auroc, score in zip(aurocs, population.scores, strict=True)
    )
    truth = {name: first[name] - second[name] for name in first} | {"auroc": aurocs[0] - aurocs[1]}
    contained: dict[str, list[bool]] = {name: [] for name in truth if name != "ece"}
    for number in range(pairs):
        drawn = simulate(design, aurocs, images, rng)
        measures = [
            metric_measures(probability(design, auroc, score), drawn.labels, drawn.patients, threshold, score)
            for auroc, score in zip(aurocs, drawn.scores, strict=True)
        ]
        for name, interval in difference_intervals(*measures, drawn.patients, seed=number).items():
            if interval is not None:
                contained[name].append(interval.low <= truth[name] <= interval.high)
    return {name: (float(np.mean(inside)), 1 - len(inside) / pairs) for name, inside in contained.items()}


def main(arguments: list[str] | None = None) -> None:
    """Print a table for every design: a row for each metric, a column for each pair of true AUROCs."""
    parser = make_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=300, help="simulated pairs of each kind (%(default)s)")
    parser.add_argument("--images", type=int, default=200, help="images of a pair (%(default)s)")
    options = parser.parse_args(arguments)
    for design in DESIGNS:
        columns = [coverage(design, aurocs, options.pairs, options.images) for aurocs in AUROCS]
        print(f"\n{design.name}; {options.pairs} pairs on {options.images} images")
        rows = [[name, *(_cell(*column[name]) for column in columns)] for name in columns[0]]
        print_table(["true AUROCs", *(f"{one:.2f}, {other:.2f}" for one, other in AUROCS)], rows)


def _cell(share: float, without: float) -> str:
    return f"{100 * share:.1f} ({100 * without:.0f})" if without else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
