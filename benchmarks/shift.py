"""How often many images are said to differ from validation: draws from folders of X-rays, as they are and inverted.

Answers every X-ray once with the model and once more inverted, then draws images at random, again and again. Draws
from the collection that the model was validated on should stay silent, with any mix of classes; inverted X-rays, and
collections that the model does not know, should be said to differ. Prints, for each folder, how many of the draws were.

    python benchmarks/shift.py MODEL_DIR FOLDER_OF_XRAYS [FOLDER ...] [--draws 20] [--sizes 30 100] [--count 300]
"""

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from measure import make_parser
from tqdm import tqdm

from cxr.cli import command
from cxr.errors import UserError
from cxr.imaging import reader
from cxr.imaging.reader import Radiograph
from cxr.serving import input_files
from cxr.serving.answer import Answer
from cxr.serving.predictor import Predictor
from cxr.serving.shift import shift_sentence


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for every folder and size of draw."""
    parser = make_parser(__doc__)
    parser.add_argument("model", help="folder of a model that says what its validation images were given")
    parser.add_argument("xrays", type=Path, nargs="+", help="folders of X-rays, searched in all their subfolders")
    parser.add_argument("--draws", type=int, default=20, help="draws of each size (%(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 100], help="images of a draw")
    parser.add_argument("--count", type=int, default=300, help="images of a folder at most (%(default)s)")
    options = parser.parse_args(arguments)
    predictor = Predictor.load(options.model)
    if predictor.validation_distribution is None:
        raise UserError(f"{options.model} does not say what its validation images were given: train it again")
    for folder in options.xrays:
        as_they_are, inverted = _answers(predictor, folder, options.count)
        for name, answers in ((folder.name, as_they_are), (f"{folder.name}, inverted", inverted)):
            for size in options.sizes:
                told = [_is_told(predictor, answers, size, draw) for draw in range(options.draws)]
                print(f"{name:<45} {size:>4} of {len(answers)} images: {sum(told)} of {len(told)} draws differ")


def _answers(predictor: Predictor, folder: Path, count: int) -> tuple[list[Answer], list[Answer]]:
    """The answers about at most `count` X-rays of a folder, in an order that no name decides, and those inverted."""
    files = input_files.find([str(folder)])
    order = np.random.default_rng(0).permutation(len(files))
    found: tuple[list[Answer], list[Answer]] = ([], [])
    for number in tqdm(islice(order, count), total=min(count, len(files)), desc=folder.name):
        try:
            xray = reader.read_radiograph(files[number].source)
            for answers, pixels in zip(found, (xray.pixels, 255 - xray.pixels), strict=True):
                answers.append(predictor.predict(Radiograph(pixels, *pixels.shape[::-1], "L", "PNG")))
        except UserError as error:
            tqdm.write(f"{files[number]} is left out: {error}")
    return found


def _is_told(predictor: Predictor, answers: Sequence[Answer], size: int, draw: int) -> bool:
    """Whether a random draw is said to differ."""
    rng = np.random.default_rng(draw)
    chosen = rng.choice(len(answers), min(size, len(answers)), replace=False)
    return bool(shift_sentence(predictor.validation_distribution, [answers[number] for number in chosen]))


if __name__ == "__main__":
    sys.exit(main())
