"""What an answer costs against `transformers.pipeline`, and how far both agree, on the same files and weights.

Ours covers everything from the file's bytes to the verdict with its heatmap; the pipeline's is the label alone, called
with the path. Files are timed one by one, both ways in turn, then as a folder. Prints the ratio of the summed medians
(demanded: at most 0.40) and of files per second (at least 3.5). Then, for the default precision (`fast`) and `exact`,
and for 8-bit gray files only: the largest difference of a probability, and the share of files that are less than 0.01
apart and have the same label (at least 99.5 %).

    python benchmarks/predict.py MODEL FOLDER [FOLDER ...] [--rounds 5] [--agreement_only]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from measure import make_parser, median_seconds
from PIL import Image
from rows.answers import CLOSE, Pair, agreement, answer_with_heatmap, covid_score, load_pair
from tqdm import tqdm

from cxr.cli import command
from cxr.serving import batch, input_files
from cxr.serving.predictor import Predictor


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Load both, measure, print."""
    parser = make_parser(__doc__)
    parser.add_argument("model", help="folder or repo id of a published model")
    parser.add_argument("folders", nargs="+", type=Path, help="folders of images that both can read")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is timed (%(default)s)")
    parser.add_argument("--agreement_only", action="store_true", help="time nothing")
    options = parser.parse_args(arguments)
    files = input_files.find([str(folder) for folder in options.folders])
    pair = load_pair(options.model)
    if not options.agreement_only:
        _time_single_files(pair, files, options.rounds)
        _time_folder(pair, files, options.rounds)
    gray = [file.path for file in files if _is_gray(file.path)]
    expected = np.array([covid_score(pair.theirs(str(path))) for path in tqdm(gray, desc="pipeline", unit="file")])
    for name, predictor in (("fast", pair.ours), ("exact", Predictor.load(options.model, precision="exact"))):
        answers = [predictor.predict(predictor.read(path)) for path in tqdm(gray, desc=name, unit="file")]
        found = agreement(np.array([answer.probability for answer in answers]), expected, pair.ours.threshold)
        apart = f"{len(gray)} files, at most {found.largest:.6f} apart"
        print(f"{name}: {apart}, {found.share:.2%} closer than {CLOSE} and of one label")


def _time_single_files(pair: Pair, files: Sequence[input_files.ImageFile], rounds: int) -> None:
    ways = {
        "ours": lambda path: answer_with_heatmap(pair.ours, path),
        "pipeline": lambda path: pair.theirs(str(path)),
    }
    seconds = median_seconds(ways, [file.path for file in files], rounds, "one by one")
    single = {name: f"{1000 * times.mean():.1f} ms" for name, times in seconds.items()}
    print(f"a file's bytes to verdict and heatmap {single['ours']}, pipeline's label {single['pipeline']}")
    print(f"ratio of times: {seconds['ours'].sum() / seconds['pipeline'].sum():.3f}")


def _time_folder(pair: Pair, files: Sequence[input_files.ImageFile], rounds: int) -> None:
    concurrent = Predictor.load(str(pair.ours.pulled.folder), concurrency=joblib.cpu_count())
    ways = {
        "ours": lambda files: list(batch.answer_files(concurrent, files)),
        "pipeline": lambda files: pair.theirs([str(file) for file in files]),
    }
    seconds = median_seconds(ways, [files], rounds, "as a folder")
    rates = {name: len(files) / times[0] for name, times in seconds.items()}
    print(f"as a folder: ours {rates['ours']:.1f} files/s, pipeline {rates['pipeline']:.1f} files/s")
    print(f"ratio of rates: {rates['ours'] / rates['pipeline']:.2f}")


def _is_gray(path: Path) -> bool:
    """Whether all its colours are 8-bit grays without transparency, which both read alike."""
    with Image.open(path) as image:
        if image.mode not in ("L", "RGB"):
            return False
        pixels = np.asarray(image)
    return pixels.ndim == 2 or not np.any(pixels != pixels[..., :1])


if __name__ == "__main__":
    sys.exit(main())
