"""How often conformal sets hold the true class, over many splits of phantoms: the promise is 90 % for each class.

Scores fresh phantoms with a model, divides them a hundred times into calibration and test halves, and prints for each
class the mean coverage and how far single splits scatter. Demanded: a mean of 88 to 93 %.

    python benchmarks/conformal.py runs/demo/run/model [--phantoms 600] [--splits 100]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForImageClassification

from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, LABELS
from cxr.statistics import conformal

FIRST = 30_000_000
"""The first seed: no other part of the project draws these phantoms."""


def main(arguments: list[str] | None = None) -> None:
    """Score, divide, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the `model/` folder of a run that was trained on phantoms")
    parser.add_argument(
        "--phantoms", type=int, default=600, help="how many are drawn, half of them COVID (%(default)s)"
    )
    parser.add_argument("--splits", type=int, default=100, help="how often they are divided (%(default)s)")
    options = parser.parse_args(arguments)
    probability, labels = _scores(options.model, options.phantoms)
    found = np.array([_coverage(probability, labels, np.random.default_rng(n)) for n in range(options.splits)])
    for name, shares in zip(LABELS, found.T, strict=True):
        print(f"{name}: mean coverage {shares.mean():.4f}, standard deviation between splits {shares.std():.4f}")


@torch.inference_mode()
def _scores(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of COVID float64 (N,) and labels int64 (N,) of fresh phantoms."""
    model, processor = AutoModelForImageClassification.from_pretrained(folder).eval(), load_processor(folder)
    labels = np.arange(count) % 2
    logits = [
        model(to_pixel_values([draw_phantom(FIRST + number, int(label)).image], processor)).logits[0]
        for number, label in enumerate(labels)
    ]
    return torch.stack(logits).double().softmax(dim=1)[:, COVID].numpy(), labels


def _coverage(probability: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> list[float]:
    """The coverage of each class where a random half of each calibrates and the other is tested."""
    calibrates = np.zeros(len(labels), bool)
    for label in range(len(LABELS)):
        mine = np.flatnonzero(labels == label)
        calibrates[rng.permutation(mine)[: len(mine) // 2]] = True
    fitted = conformal.fit_quantiles(probability[calibrates], labels[calibrates])
    tested = conformal.summarize_sets(probability[~calibrates], labels[~calibrates], fitted["quantiles"])
    return [tested["coverage"][name] for name in LABELS]


if __name__ == "__main__":
    main()
