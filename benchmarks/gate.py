"""What a model's gate refuses and passes: made outliers, the photographs that installed packages ship, your X-rays.

    python benchmarks/gate.py MODEL_DIR FOLDER_OF_XRAYS [FOLDER ...]

X-rays should pass; the same X-rays inverted, upside down and turned by a quarter either way, photographs, noise, text
and blank pages should be refused. None of these pages, noises and photographs are the ones that a gate is fitted on.
Prints a line for each kind: how many, and the share that was refused.
"""

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm
from transformers import AutoModelForImageClassification

from cxr.gate import FILE_NAME, Gate
from cxr.gate.fitting import run_in_batches
from cxr.imaging import reader
from cxr.imaging.geometry import resize_to_short_side
from cxr.imaging.preprocess import load_processor
from cxr.serving import input_files

Pictures = Iterator[np.ndarray]

PACKAGES = {"skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data"}
"""Packages that ship photographs, if they are installed, and where."""

NO_PHOTOGRAPHS = ("chessboard", "logo", "text", "page", "phantom", "binary", "multipage", "Minduka", "no_time")
_TURNS = {
    "as they are": lambda xray: xray,
    "inverted": lambda xray: 255 - xray,
    "upside down": lambda xray: np.rot90(xray, 2),
    "flipped top to bottom": np.flipud,
    "quarter turn left": np.rot90,
    "quarter turn right": lambda xray: np.rot90(xray, -1),
}
_SHORT, _WINDOWS = 384, 5
_SENTENCE = "the report of this patient was signed on Monday by two readers who saw no change since last year, and "
_SHADES = {
    "black on white": (255, 0),
    "white on black": (0, 255),
    "dark on gray": (225, 50),
    "light on dark": (40, 200),
}


def main(arguments: list[str] | None = None) -> None:
    """Print a line for every kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="model folder with a gate.safetensors")
    parser.add_argument("xrays", type=Path, nargs="+", help="folders of X-rays")
    parser.add_argument("--count", type=int, default=100, help="X-rays of each folder, and pictures of each made kind")
    options = parser.parse_args(arguments)
    refused = _judge(options.model)
    for folder in options.xrays:
        xrays = _xrays(folder, options.count)
        for name, turn in _TURNS.items():
            _print(f"{folder.name}, {name}", refused(turn(xray) for xray in xrays))
    for name, kind in (("photographs", _photographs), ("text", _pages), ("noise", _noise), ("blank", _blanks)):
        _print(name, refused(kind(np.random.default_rng(0), options.count)))


def _judge(folder: Path) -> Callable[[Pictures], np.ndarray]:
    """A function from pictures to whether each is refused, bool (N,)."""
    model = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
    gate, processor = Gate.load(folder / FILE_NAME), load_processor(folder)
    return lambda pictures: (
        ~gate.passes(run_in_batches(model, processor, tqdm(pictures, leave=False), gate.score)).numpy()
    )


def _print(name: str, refused: np.ndarray) -> None:
    print(f"{name:<45} {len(refused):>5} pictures, refused {refused.mean():.3f}", flush=True)


def _xrays(folder: Path, count: int) -> list[np.ndarray]:
    found = input_files.find([str(folder)])
    chosen = np.random.default_rng(0).permutation(len(found))[:count]
    read = (reader.read_radiograph(found[index].source).pixels for index in tqdm(sorted(chosen), leave=False))
    return [resize_to_short_side(pixels, _SHORT) for pixels in read]


def _photographs(rng: np.random.Generator, count: int) -> Pictures:
    """Every photograph found, whole, and windows of it."""
    for path in _photograph_files():
        with Image.open(path) as image:
            shades = image.convert("L")
        shades.thumbnail((2 * _SHORT, 2 * _SHORT))
        pixels = np.asarray(shades)
        yield pixels
        for side in (rng.uniform(0.4, 0.9, _WINDOWS) * min(pixels.shape)).astype(int):
            top, left = (rng.integers(0, length - side + 1) for length in pixels.shape)
            yield pixels[top : top + side, left : left + side]


def _photograph_files() -> list[Path]:
    found = (importlib.util.find_spec(name) for name in PACKAGES)
    roots = [Path(spec.origin).parent / PACKAGES[spec.name] for spec in found if spec]
    files = [path for root in roots for path in sorted(root.glob("*")) if path.suffix in (".png", ".jpg")]
    return [path for path in files if not path.name.startswith(NO_PHOTOGRAPHS)]


def _pages(rng: np.random.Generator, count: int) -> Pictures:
    """Pages set in the font that Pillow ships, of several sizes, shades and shapes."""
    for index in range(count):
        paper, ink = list(_SHADES.values())[index % len(_SHADES)]
        page = Image.new("L", ((595, 842), (1280, 800), (600, 600))[index % 3], paper)
        size = int(rng.integers(9, 40))
        font, pen = ImageFont.load_default(size), ImageDraw.Draw(page)
        for y in range(size * 2, page.height - size * 2, int(size * rng.uniform(1.2, 2.2))):
            start = rng.integers(0, len(_SENTENCE))
            pen.text((page.width * 0.07, y), (2 * _SENTENCE)[start : start + rng.integers(10, 90)], ink, font)
        yield np.asarray(page)


def _noise(rng: np.random.Generator, count: int) -> Pictures:
    """Normal, uniform, binary, salt-and-pepper and exponential noise at several sizes."""
    for index in range(count):
        shape = tuple(rng.integers(100, 900, 2))
        kinds = (
            lambda shape: rng.normal(rng.uniform(60, 200), rng.uniform(10, 70), shape),
            lambda shape: rng.uniform(0, 256, shape),
            lambda shape: 255 * rng.integers(0, 2, shape),
            lambda shape: np.where(rng.random(shape) < 0.1, 255 * rng.integers(0, 2, shape), rng.uniform(0, 256)),
            lambda shape: rng.exponential(rng.uniform(20, 100), shape),
        )
        yield kinds[index % len(kinds)](shape).clip(0, 255).astype(np.uint8)


def _blanks(rng: np.random.Generator, count: int) -> Pictures:
    """One shade from black to white, every other one with the noise of a scanner."""
    for index, shade in enumerate(np.linspace(0, 255, count)):
        noise = rng.normal(0, rng.uniform(0.5, 6), (400, 300)) * (index % 2)
        yield (shade + noise).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
