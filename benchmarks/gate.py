"""What a model's gate rejects and passes: X-rays, altered X-rays, photographs, text, noise and blank images.

X-rays should pass. The same X-rays inverted, upside down and turned by a quarter, the photographs that installed
packages ship, pages of text, noise and blank images should be rejected. No gate is fitted on these photographs, pages
and noises. Prints a line for each kind: how many images, and the share that was rejected.

    python benchmarks/gate.py MODEL_DIR FOLDER_OF_XRAYS [FOLDER ...]
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from measure import make_parser
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from cxr.cli import command
from cxr.gate import Gate
from cxr.gate.features import FeatureExtractor
from cxr.hub import pull
from cxr.imaging import reader
from cxr.imaging.geometry import resize_to_short_side
from cxr.imaging.preprocess import load_processor
from cxr.schema.model_repo import GATE
from cxr.serving import input_files
from cxr.serving.loading import load_model

Images = Iterator[np.ndarray]
"""Pixels uint8 (H, W)."""

PACKAGES = {"skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data"}
"""Packages that ship photographs, if they are installed, and the folders of these."""

NO_PHOTOGRAPHS = ("chessboard", "logo", "text", "page", "phantom", "binary", "multipage", "Minduka", "no_time")
_ALTERATIONS = {
    "as they are": lambda xray: xray,
    "inverted": lambda xray: 255 - xray,
    "upside down": lambda xray: np.rot90(xray, 2),
    "flipped top to bottom": np.flipud,
    "quarter turn left": np.rot90,
    "quarter turn right": lambda xray: np.rot90(xray, -1),
}
_SHORT_SIDE, _WINDOWS = 384, 5
_SENTENCE = "the report of this patient was signed on Monday by two readers who saw no change since last year, and "
_PAPER_AND_INK = ((255, 0), (0, 255), (225, 50), (40, 200))


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for every kind."""
    parser = make_parser(__doc__)
    parser.add_argument("model", type=Path, help="model folder with a gate.safetensors")
    parser.add_argument("xrays", type=Path, nargs="+", help="folders of X-rays")
    parser.add_argument("--count", type=int, default=100, help="images of each kind (%(default)s)")
    options = parser.parse_args(arguments)
    rejects = _load_gate(options.model)
    for folder in options.xrays:
        xrays = _xrays(folder, options.count)
        for name, alter in _ALTERATIONS.items():
            _print(f"{folder.name}, {name}", rejects(alter(xray) for xray in xrays))
    for name, make in (("photographs", _photographs), ("text", _pages), ("noise", _noise), ("blank", _blanks)):
        _print(name, rejects(make(np.random.default_rng(0), options.count)))


def _load_gate(folder: Path) -> Callable[[Images], np.ndarray]:
    """A function from images to whether each is rejected, bool (N,)."""
    model = load_model(pull(str(folder)))
    gate, extract = Gate.load(folder / GATE), FeatureExtractor(model, load_processor(folder))

    def rejects(images: Images) -> np.ndarray:
        scores = gate.score(extract(tqdm(images, leave=False)))
        return ~gate.passes(scores).numpy()

    return rejects


def _print(name: str, rejected: np.ndarray) -> None:
    print(f"{name:<45} {len(rejected):>5} images, rejected {rejected.mean():.3f}", flush=True)


def _xrays(folder: Path, count: int) -> list[np.ndarray]:
    files = input_files.find([str(folder)])
    chosen = np.random.default_rng(0).permutation(len(files))[:count]
    read = (reader.read_radiograph(files[index].source).pixels for index in tqdm(sorted(chosen), leave=False))
    return [resize_to_short_side(pixels, _SHORT_SIDE) for pixels in read]


def _photographs(rng: np.random.Generator, count: int) -> Images:
    """Every photograph found, whatever `count` is, and windows of it."""
    for path in _photograph_files():
        with Image.open(path) as image:
            gray = image.convert("L")
        gray.thumbnail((2 * _SHORT_SIDE, 2 * _SHORT_SIDE))
        pixels = np.asarray(gray)
        yield pixels
        for side in (rng.uniform(0.4, 0.9, _WINDOWS) * min(pixels.shape)).astype(int):
            top, left = (rng.integers(0, length - side + 1) for length in pixels.shape)
            yield pixels[top : top + side, left : left + side]


def _photograph_files() -> list[Path]:
    specs = (importlib.util.find_spec(name) for name in PACKAGES)
    folders = [Path(spec.origin).parent / PACKAGES[spec.name] for spec in specs if spec]
    files = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix in (".png", ".jpg")]
    return [path for path in files if not path.name.startswith(NO_PHOTOGRAPHS)]


def _pages(rng: np.random.Generator, count: int) -> Images:
    """Pages of text in the font that Pillow ships, of several sizes, shades and shapes."""
    for index in range(count):
        paper, ink = _PAPER_AND_INK[index % len(_PAPER_AND_INK)]
        page = Image.new("L", ((595, 842), (1280, 800), (600, 600))[index % 3], paper)
        size = int(rng.integers(9, 40))
        font, pen = ImageFont.load_default(size), ImageDraw.Draw(page)
        for y in range(size * 2, page.height - size * 2, int(size * rng.uniform(1.2, 2.2))):
            start = rng.integers(0, len(_SENTENCE))
            pen.text((page.width * 0.07, y), (2 * _SENTENCE)[start : start + rng.integers(10, 90)], ink, font)
        yield np.asarray(page)


def _noise(rng: np.random.Generator, count: int) -> Images:
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


def _blanks(rng: np.random.Generator, count: int) -> Images:
    """Even shades from black to white, every other one with the noise of a scanner."""
    for index, shade in enumerate(np.linspace(0, 255, count)):
        noise = rng.normal(0, rng.uniform(0.5, 6), (400, 300)) * (index % 2)
        yield (shade + noise).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
