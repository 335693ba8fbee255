"""What `assess.py --adapt` repairs: a model of phantoms meets darker, flatter ones of a hospital with less COVID.

Draws the phantoms of a hospital with another gamma, contrast and prevalence, adapts a model on its validation split,
and prints what that changed on its test split. The model that `make demo` trains is one for it.

    python benchmarks/adaptation.py MODEL OUT [--count 1000] [--covid 0.15] [--gamma 1.6] [--contrast 0.6]
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import make_parser
from PIL import Image
from tqdm import tqdm

from cxr.assessment.command import main as assess
from cxr.phantom import draw_phantom
from cxr.schema.labels import LABELS
from dataset_script.__main__ import main as prepare

_FIRST_SEED = 100_000
_IN_TRAINING = 4


def main(arguments: list[str] | None = None) -> int:
    """Print the lines of `assess.py --adapt`; returns its exit code."""
    parser = make_parser(__doc__)
    parser.add_argument("model", help="repo id or folder of a model of this project")
    parser.add_argument("out", type=Path, help="folder for images, dataset, report and adapted model")
    parser.add_argument("--count", type=int, default=1000, help="test images, and validation images (%(default)s)")
    parser.add_argument("--covid", type=float, default=0.15, help="share of COVID at the hospital (%(default)s)")
    parser.add_argument("--gamma", type=float, default=1.6, help="gamma of its images (%(default)s)")
    parser.add_argument("--contrast", type=float, default=0.6, help="contrast of its images (%(default)s)")
    parser.add_argument("--image_size", type=int, default=256, help="short side of the dataset (%(default)s)")
    options = parser.parse_args(arguments)
    listed = _draw(options.out / "images", options)
    dataset = str(options.out / "hospital")
    settings = ["--image_size", str(options.image_size), "--duplicates", "keep", "--no_audit"]
    failed = prepare(["--source", f"table={listed}", "--out", dataset, *settings])
    places = ["--out", str(options.out / "report"), "--adapt", str(options.out / "adapted")]
    return failed or assess(["--model", options.model, "--dataset", f"hospital={dataset}", *places])


def _draw(folder: Path, options: argparse.Namespace) -> Path:
    """Draw the hospital's phantoms, each of another patient, and the table that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "images.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "patient_id", "split"])
        for seed, label, split in tqdm(list(_patients(options)), desc="drawing", unit="image"):
            image = 0.5 + options.contrast * ((draw_phantom(seed, label).image / 255) ** options.gamma - 0.5)
            Image.fromarray(np.uint8(255 * image.clip(0, 1))).save(folder / f"{seed}.png")
            rows.writerow([f"{seed}.png", LABELS[label], f"patient-{seed}", split])
    return table


def _patients(options: argparse.Namespace) -> Iterator[tuple[int, int, str]]:
    """The seed, label and split of each; a prepared dataset needs a few images to train on as well."""
    seed = _FIRST_SEED
    for split, count in {"train": _IN_TRAINING, "validation": options.count, "test": options.count}.items():
        covid = _IN_TRAINING // 2 if split == "train" else round(options.covid * count)
        for number in range(count):
            yield seed, int(number < covid), split
            seed += 1


if __name__ == "__main__":
    raise SystemExit(main())
