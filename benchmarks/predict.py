"""What an answer takes against `transformers.pipeline`, and how far the two are apart, on the same files and weights.

Ours is everything from the file's bytes to the verdict with its heatmap drawn; the pipeline's is the label alone, as
its users call it, with the path. Files are asked about one by one in turns, then as a folder. Prints the ratio of the
summed medians (demanded: 0.40 at most), the ratio of files a second (3.5 at least), and for the default and for
`--exact` the largest difference of a probability, and the share of files less than 0.01 apart and of the same label
(99.5 %); of these, 8-bit gray files only.

    python benchmarks/predict.py MODEL FOLDER [FOLDER ...] [--rounds 5] [--agreement_only]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from tqdm import tqdm
from transformers import pipeline
from transformers.utils import logging

from cxr import policy
from cxr.schema.labels import COVID, LABELS
from cxr.serving import batch, heatmap, input_files
from cxr.serving.predictor import Predictor

CLOSE = 0.01


def main(arguments: list[str] | None = None) -> None:
    """Load both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or repo id of a published model")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--agreement_only", action="store_true", help="time nothing")
    args = parser.parse_args(arguments)
    logging.set_verbosity_error()
    files = [found.path for found in input_files.find([str(folder) for folder in args.folders])]
    ours = Predictor.load(args.model)
    theirs = pipeline("image-classification", model=str(ours.pulled.folder))
    if not args.agreement_only:
        _print_times(ours, theirs, files, args.rounds)
    files = [file for file in files if _is_gray(file)]
    truth = np.array([_covid(theirs(str(file))) for file in tqdm(files, desc="pipeline", unit="file")])
    for name, predictor in (("fast", ours), ("exact", Predictor.load(args.model, precision="exact"))):
        asked = (predictor.predict(predictor.read(file)) for file in tqdm(files, desc=name, unit="file"))
        print(f"{name}: {_agreement(np.array([answer.probability for answer in asked]), truth, ours.threshold)}")


def _is_gray(file: Path) -> bool:
    """Whether all its colours are 8-bit grays without transparency, of which both see the same."""
    with Image.open(file) as image:
        if image.mode not in ("L", "RGB"):
            return False
        pixels = np.asarray(image)
    return pixels.ndim == 2 or not np.any(pixels != pixels[..., :1])


def _covid(scores: list[dict]) -> float:
    return next(row["score"] for row in scores if row["label"] == LABELS[COVID])


def _print_times(ours: Predictor, theirs: Callable, files: list[Path], rounds: int) -> None:
    def answer(file: Path) -> None:
        xray = ours.read(file.read_bytes())
        heatmap.overlay_png(ours.explain(xray), xray.pixels.shape[::-1])

    doors = {"ours": answer, "pipeline": lambda file: theirs(str(file))}
    taken = {name: {file: [] for file in files} for name in doors}
    for _ in tqdm(range(rounds), desc="one by one"):
        for file in files:
            for name, door in doors.items():
                taken[name][file].append(_seconds(door, file))
    sums = {name: sum(map(statistics.median, times.values())) for name, times in taken.items()}
    each = {name: f"{1000 * total / len(files):.1f} ms" for name, total in sums.items()}
    print(f"a file's bytes to verdict and heatmap {each['ours']}, pipeline's label {each['pipeline']}")
    print(f"ratio of times: {sums['ours'] / sums['pipeline']:.3f}")
    found = [input_files.ImageFile(file) for file in files]
    paths = [str(file) for file in files]
    many = Predictor.load(str(ours.pulled.folder), concurrency=joblib.cpu_count())
    folder = {"ours": lambda: list(batch.answer_files(many, found)), "pipeline": lambda: theirs(paths)}
    times = {name: [] for name in folder}
    for _ in tqdm(range(rounds), desc="as a folder"):
        for name, door in folder.items():
            times[name].append(_seconds(door))
    rates = {name: len(files) / statistics.median(seconds) for name, seconds in times.items()}
    print(f"as a folder: ours {rates['ours']:.1f} files/s, pipeline {rates['pipeline']:.1f} files/s")
    print(f"ratio of rates: {rates['ours'] / rates['pipeline']:.2f}")


def _seconds(door: Callable, *arguments: object) -> float:
    start = time.perf_counter()
    door(*arguments)
    return time.perf_counter() - start


def _agreement(found: np.ndarray, truth: np.ndarray, threshold: float) -> str:
    apart = np.abs(found - truth)
    labels = [[policy.label(float(value), threshold) for value in values] for values in (found, truth)]
    agree = np.mean([close and one == other for close, one, other in zip(apart < CLOSE, *labels, strict=True)])
    return f"{len(found)} files, at most {apart.max():.6f} apart, {agree:.2%} closer than {CLOSE} and of one label"


if __name__ == "__main__":
    main()
