"""How often conformal sets contain the true class, over many splits of phantoms: 90 % is promised for each class.

Scores new phantoms with a model, divides them many times into calibration and test halves, and prints for each class
the mean coverage and its standard deviation between splits. Demanded: a mean of 88 to 93 %.

    python benchmarks/conformal.py runs/demo/run/model [--phantoms 600] [--splits 100]
"""

from pathlib import Path

import numpy as np
import torch
from measure import make_parser, phantoms
from transformers import AutoModelForImageClassification

from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.schema.labels import COVID, LABELS
from cxr.statistics import conformal

FIRST_SEED = 30_000_000
"""No other part of the project draws phantoms from here on."""


def main(arguments: list[str] | None = None) -> None:
    """Score, divide, print."""
    parser = make_parser(__doc__)
    parser.add_argument("model", type=Path, help="`model/` folder of a run that was trained on phantoms")
    parser.add_argument("--phantoms", type=int, default=600, help="how many, half of them COVID (%(default)s)")
    parser.add_argument("--splits", type=int, default=100, help="how often they are divided (%(default)s)")
    options = parser.parse_args(arguments)
    probability, labels = _scores(options.model, options.phantoms)
    coverage = np.array([_coverage(probability, labels, np.random.default_rng(n)) for n in range(options.splits)])
    for name, shares in zip(LABELS, coverage.T, strict=True):
        print(f"{name}: mean coverage {shares.mean():.4f}, standard deviation between splits {shares.std():.4f}")


@torch.inference_mode()
def _scores(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of COVID float64 (N,) and labels int64 (N,) of new phantoms."""
    model, processor = AutoModelForImageClassification.from_pretrained(folder).eval(), load_processor(folder)
    images = phantoms(count, first=FIRST_SEED)
    logits = [model(to_pixel_values([pixels], processor)).logits[0] for pixels in images]
    return torch.stack(logits).double().softmax(dim=1)[:, COVID].numpy(), np.arange(count) % 2


def _coverage(probability: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> list[float]:
    """The coverage of each class when a random half of each calibrates and the other half is tested."""
    calibrates = np.zeros(len(labels), bool)
    for label in range(len(LABELS)):
        members = np.flatnonzero(labels == label)
        calibrates[rng.permutation(members)[: len(members) // 2]] = True
    fitted = conformal.fit_quantiles(probability[calibrates], labels[calibrates])
    tested = conformal.summarize_sets(probability[~calibrates], labels[~calibrates], fitted["quantiles"])
    return [tested["coverage"][name] for name in LABELS]


if __name__ == "__main__":
    main()
