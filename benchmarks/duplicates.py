"""How fast, how surely and in how much memory copies are found among very many fingerprints.

Fingerprints are drawn with the correlations between bits and between views that pictures have: a normal distribution
is fitted to the coefficients of phantoms (or of the pictures of a folder) and its signs are taken. One fingerprint in
a hundred is then replaced by a copy of another, each view 1 to 32 bits away.

    python benchmarks/duplicates.py [--pictures FOLDER]
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cxr import phantom
from cxr.imaging import reader
from dataset_script.collections.filesystem import Folder
from dataset_script.duplicates.candidates import propose_pairs
from dataset_script.duplicates.fingerprint import VIEWS, spectra

SIZES = (25_000, 50_000, 100_000)
FARTHEST = 32
_COMPONENTS, _CHUNK, _BITS = 400, 5000, 256


def main(arguments: list[str] | None = None) -> None:
    """Print a line for every size, then the growth exponent and the peak memory of the whole process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="fit to the pictures of this folder instead of to phantoms")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many fingerprints")
    parser.add_argument("--num_proc", type=int, default=2, help="threads")
    options = parser.parse_args(arguments)
    mean, components = fit(_spectra(options.pictures))
    work = []
    for size in options.sizes:
        codes, planted = plant(draw(mean, components, size), np.random.default_rng(size))
        start, busy = time.perf_counter(), time.process_time()
        found = propose_pairs(codes, options.num_proc)
        seconds = time.perf_counter() - start
        work.append(time.process_time() - busy)
        share = recall(found, planted, size)
        print(
            f"{size:>8,} fingerprints: {seconds:5.1f} s ({work[-1]:.1f} s of processor time), "
            f"recall {share:.4f}, {len(found):,} pairs to compare"
        )
    if len(work) > 1:
        slope = np.polyfit(np.log(options.sizes), np.log(work), 1)[0]
        print(f"growth exponent {slope:.2f} (of processor time)")
    print(f"peak memory {_peak() / 2**20:.2f} GiB")


def _peak() -> int:
    """KiB of this program (Linux only); `getrusage` would count the process that started it as well."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _spectra(folder: Path | None) -> np.ndarray:
    """Coefficients, float32 (N, VIEWS × 256), of the folder's pictures or of 400 phantoms."""
    if folder is None:
        pictures = (phantom.draw_phantom(seed, seed % 2).image for seed in tqdm(range(400), desc="drawing"))
    else:
        root = Folder(folder)
        names = [name for name in root.walk() if root.is_image(name)]
        pictures = (
            reader.read_radiograph(root.ref(name).read(), short_side=256).pixels for name in tqdm(names, desc="reading")
        )
    return np.stack([spectra(pixels).ravel() for pixels in pictures])


def fit(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, float32 (D,), and scaled principal components, float32 (K, D), of coefficients (N, D)."""
    scale = coefficients.std(axis=0)
    scaled = coefficients / scale
    mean = scaled.mean(axis=0)
    _, singular, axes = np.linalg.svd((scaled - mean) / math.sqrt(len(scaled) - 1), full_matrices=False)
    return mean, axes[:_COMPONENTS] * singular[:_COMPONENTS, None]


def draw(mean: np.ndarray, components: np.ndarray, count: int) -> np.ndarray:
    """Draw codes, uint8 (count, VIEWS, 32), from the fitted distribution."""
    rng = np.random.default_rng(0)
    chunks = (min(_CHUNK, count - start) for start in range(0, count, _CHUNK))
    normal = (rng.standard_normal((chunk, len(components)), dtype=np.float32) for chunk in chunks)
    bits = [np.packbits(values @ components + mean > 0, axis=1) for values in normal]
    return np.concatenate(bits).reshape(count, VIEWS, -1)


def plant(codes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replace 1 % of the codes by copies of others; returns the codes and the pairs, int64 (M, 2)."""
    count = len(codes)
    chosen = rng.permutation(count)[: 2 * (count // 100)].reshape(-1, 2)
    for source, copy in chosen:
        flips = np.zeros((VIEWS, _BITS), np.uint8)
        distance = rng.integers(1, FARTHEST + 1)
        for view in flips:
            view[rng.permutation(_BITS)[:distance]] = 1
        codes[copy] = codes[source] ^ np.packbits(flips, axis=1)
    return codes, np.sort(chosen, axis=1)


def recall(found: np.ndarray, planted: np.ndarray, count: int) -> float:
    """The share of planted pairs among those found; both int64 (M, 2) with the smaller index first."""
    return float(np.isin(planted @ [count, 1], found @ [count, 1]).mean())


if __name__ == "__main__":
    main()
