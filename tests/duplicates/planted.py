"""Near-duplicates with a known original, of every kind that must be found."""

import io

import numpy as np
from PIL import Image

from cxr.imaging.geometry import resize_to_short_side
from dataset_script.duplicates.fingerprint import fingerprint
from dataset_script.duplicates.search import Pair, find_pairs


def jpeg(pixels, quality=60):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def half(pixels):
    height, width = pixels.shape
    return np.asarray(Image.fromarray(pixels).resize((width // 2, height // 2), Image.Resampling.BICUBIC))


def cropped(pixels, top, left):
    """5 % of height and width cut off; `top` and `left` say which share of it on those sides."""
    height, width = pixels.shape
    rows, columns = round(0.05 * height), round(0.05 * width)
    y, x = round(top * rows), round(left * columns)
    return pixels[y : height - rows + y, x : width - columns + x]


KINDS = {
    "JPEG 60": jpeg,
    "half size": half,
    "brightened": lambda pixels: np.clip(pixels * 1.2, 0, 255).astype(np.uint8),
    "gamma 0.8": lambda pixels: np.round(255 * (pixels / 255) ** 0.8).astype(np.uint8),
    "black border": lambda pixels: np.pad(pixels, 10),
    "white border": lambda pixels: np.pad(pixels, 10, constant_values=255),
    "centre crop": lambda pixels: cropped(pixels, 0.5, 0.5),
    "corner crop": lambda pixels: cropped(pixels, 1, 1),
    "other corner crop": lambda pixels: cropped(pixels, 0, 1),
}
LEAST_RECALL = {kind: 0.90 if "crop" in kind else 0.95 for kind in KINDS}


def find(images, **options):
    """The pairs among images of any size, resized as in a dataset."""
    ready = [resize_to_short_side(pixels, 256) for pixels in images]
    fingerprints = np.stack([fingerprint(pixels) for pixels in ready])
    return find_pairs(fingerprints, ready.__getitem__, **({"progress": False} | options))


def planted(originals):
    """The originals and a near-duplicate of each, of the kinds in turn: that of i is at `len(originals) + i`."""
    kinds = list(KINDS.values())
    return [*originals, *(kinds[i % len(kinds)](pixels) for i, pixels in enumerate(originals))]


def recalls(pairs: list[Pair], count):
    """The share found of each kind, of what `planted` planted."""
    listed = {(pair.first, pair.second) for pair in pairs}
    hits = {
        kind: [(i, count + i) in listed for i in range(place, count, len(KINDS))] for place, kind in enumerate(KINDS)
    }
    return {kind: np.mean(values) for kind, values in hits.items()}


def wrong(pairs, count):
    """The pairs that join two originals."""
    return [pair for pair in pairs if pair.first % count != pair.second % count]
