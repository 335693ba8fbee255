"""How fast near-duplicates are found among very many fingerprints, how many of them, and in how much memory.

Fingerprints are drawn with the correlations between bits and between views that images have: a normal distribution is
fitted to the coefficients of phantoms (or of the images in a folder), and the signs of its draws are taken. One
fingerprint in a hundred is then replaced by a near-duplicate of another, with 1 to 32 bits changed in each view.

    python benchmarks/duplicates.py [--images FOLDER]
"""

import math
import time
from pathlib import Path

import numpy as np
from measure import make_parser, phantoms, process_bytes
from tqdm import tqdm

from cxr.imaging import reader
from dataset_script.collections.filesystem import Folder
from dataset_script.duplicates.candidates import propose_pairs
from dataset_script.duplicates.fingerprint import VIEWS, spectra, trim

SIZES = (25_000, 50_000, 100_000)
MAX_DISTANCE = 32
_PHANTOMS, _COMPONENTS, _CHUNK, _BITS = 400, 400, 5000, 256


def main(arguments: list[str] | None = None) -> None:
    """Print a line for every size, then the growth exponent and the peak memory of the whole process."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--images", "--pictures", type=Path, metavar="FOLDER", help="fit to the images in FOLDER instead of to phantoms"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many fingerprints")
    parser.add_argument("--num_proc", type=int, default=2, help="threads (%(default)s)")
    options = parser.parse_args(arguments)
    mean, components = fit_distribution(_spectra(options.images))
    work = []
    for size in options.sizes:
        codes, planted = plant(draw_codes(mean, components, size), np.random.default_rng(size))
        start, busy = time.perf_counter(), time.process_time()
        pairs = propose_pairs(codes, options.num_proc)
        seconds = time.perf_counter() - start
        work.append(time.process_time() - busy)
        print(
            f"{size:>8,} fingerprints: {seconds:5.1f} s ({work[-1]:.1f} s of processor time), "
            f"recall {recall(pairs, planted, size):.4f}, {len(pairs):,} pairs proposed"
        )
    if len(work) > 1:
        exponent = np.polyfit(np.log(options.sizes), np.log(work), 1)[0]
        print(f"growth exponent {exponent:.2f} (of processor time)")
    print(f"peak memory {process_bytes('VmHWM') / 2**30:.2f} GiB")


def _spectra(folder: Path | None) -> np.ndarray:
    """Coefficients, float32 (N, VIEWS × 256), of the images in a folder, or of phantoms."""
    if folder is None:
        images = tqdm(phantoms(_PHANTOMS), total=_PHANTOMS, desc="drawing")
    else:
        collection = Folder(folder)
        names = [name for name in collection.walk() if collection.is_image(name)]
        contents = (collection.ref(name).read() for name in tqdm(names, desc="reading"))
        images = (reader.read_radiograph(content, short_side=256).pixels for content in contents)
    return np.stack([spectra(trim(pixels)).ravel() for pixels in images])


def fit_distribution(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, float32 (D,), and scaled principal components, float32 (K, D), of coefficients (N, D)."""
    scaled = coefficients / coefficients.std(axis=0)
    mean = scaled.mean(axis=0)
    _, singular, axes = np.linalg.svd((scaled - mean) / math.sqrt(len(scaled) - 1), full_matrices=False)
    return mean, axes[:_COMPONENTS] * singular[:_COMPONENTS, None]


def draw_codes(mean: np.ndarray, components: np.ndarray, count: int) -> np.ndarray:
    """Draw codes, uint8 (count, VIEWS, 32), from the fitted distribution."""
    rng = np.random.default_rng(0)
    chunks = (min(_CHUNK, count - start) for start in range(0, count, _CHUNK))
    normal = (rng.standard_normal((chunk, len(components)), dtype=np.float32) for chunk in chunks)
    bits = [np.packbits(values @ components + mean > 0, axis=1) for values in normal]
    return np.concatenate(bits).reshape(count, VIEWS, -1)


def plant(codes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replace 1 % of the codes by near-duplicates of others; returns the codes and the pairs, int64 (M, 2)."""
    count = len(codes)
    pairs = rng.permutation(count)[: 2 * (count // 100)].reshape(-1, 2)
    for original, duplicate in pairs:
        flips = np.zeros((VIEWS, _BITS), np.uint8)
        distance = rng.integers(1, MAX_DISTANCE + 1)
        for view in flips:
            view[rng.permutation(_BITS)[:distance]] = 1
        codes[duplicate] = codes[original] ^ np.packbits(flips, axis=1)
    return codes, np.sort(pairs, axis=1)


def recall(pairs: np.ndarray, planted: np.ndarray, count: int) -> float:
    """The share of planted pairs among `pairs`; both int64 (M, 2) with the smaller index first."""
    return float(np.isin(planted @ [count, 1], pairs @ [count, 1]).mean())


if __name__ == "__main__":
    main()
