"""What is kept of a picture to find its copies: 208 bytes, a hash of its pixels and the signs of six views' spectra.

A copy may have been re-encoded, resized, brightened, framed or cropped. Uniform borders are trimmed first, so that a
frame changes nothing. The picture as a whole and five crops of 5 % (centred, and from each corner) are then reduced
to the signs of their 256 lowest DCT coefficients (the perceptual hash of Zauner 2010, with more of them and no
median): a crop lies close to the whole that was cropped like it, whichever of the two pictures is the original.
"""

import hashlib

import cv2
import numpy as np

HASH_BYTES, CODE_BYTES = 16, 32
_CROP = 0.05
_VIEWS = (
    (0, 0, 1, 1),
    (_CROP / 2, _CROP / 2, 1 - _CROP / 2, 1 - _CROP / 2),
    *((x, y, x + 1 - _CROP, y + 1 - _CROP) for x in (0, _CROP) for y in (0, _CROP)),
)
"""Left, top, right and bottom of every view, in parts of the trimmed picture."""

VIEWS = len(_VIEWS)
SIZE = HASH_BYTES + VIEWS * CODE_BYTES
"""Bytes of a fingerprint."""

_FLAT = 12
_LEAST_LEFT = 0.3
_SIDE = 32


def _lowest_frequencies() -> np.ndarray:
    """Flat indices of the 256 lowest frequencies but the mean, shuffled so that any run of bits holds all scales."""
    u = np.arange(_SIDE)
    radius = u[:, None] ** 2 + u[None] ** 2
    lowest = np.argsort(radius.ravel(), kind="stable")[1 : 1 + 8 * CODE_BYTES]
    return np.random.default_rng(0).permutation(lowest)


_COEFFICIENTS = _lowest_frequencies()


def fingerprint(pixels: np.ndarray) -> np.ndarray:
    """The fingerprint, uint8 (`SIZE`,), of a picture, uint8 (H, W), as it stands in the dataset."""
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode() + pixels.tobytes())
    bits = np.packbits(spectra(pixels) > 0)
    return np.concatenate([np.frombuffer(digest.digest()[:HASH_BYTES], np.uint8), bits])


def spectra(pixels: np.ndarray) -> np.ndarray:
    """The coefficients whose signs are the perceptual bits, float32 (`VIEWS`, 256), of a picture, uint8 (H, W)."""
    trimmed = trim(pixels)
    return np.stack([_spectrum(_view(trimmed, box)) for box in _VIEWS])


def pixel_hash(fingerprint: np.ndarray) -> str:
    """The pixel hash, 32 hex digits, of a fingerprint uint8 (`SIZE`,): equal for equal pixels."""
    return fingerprint[:HASH_BYTES].tobytes().hex()


def codes(fingerprints: np.ndarray) -> np.ndarray:
    """The perceptual bits, packed, uint8 (N, `VIEWS`, 32), of fingerprints uint8 (N, `SIZE`); view 0 is the whole."""
    return fingerprints[:, HASH_BYTES:].reshape(-1, VIEWS, CODE_BYTES)


def trim(pixels: np.ndarray) -> np.ndarray:
    """Cut uniform rows and columns off all four sides of uint8 (H, W) until none is left.

    A line is uniform if 96 % of its pixels lie within 12 gray levels, which bears the ringing of a JPEG and a mark.
    A picture of which little would remain comes back as it is.
    """
    rows, columns = (0, pixels.shape[0]), (0, pixels.shape[1])
    while True:
        new_rows = _structured(pixels[slice(*rows), slice(*columns)], rows[0], axis=1)
        new_columns = new_rows and _structured(pixels[slice(*new_rows), slice(*columns)], columns[0], axis=0)
        if not new_columns:
            return pixels
        if (new_rows, new_columns) == (rows, columns):
            break
        rows, columns = new_rows, new_columns
    left = pixels[slice(*rows), slice(*columns)]
    return left if min(a / b for a, b in zip(left.shape, pixels.shape, strict=True)) >= _LEAST_LEFT else pixels


def _structured(pixels: np.ndarray, offset: int, axis: int) -> tuple[int, int] | None:
    """Where lines that are not uniform begin and end, counted from `-offset`; None if there is none."""
    last = pixels.shape[axis] - 1
    low, high = int(0.02 * last), int(np.ceil(0.98 * last))
    ordered = np.partition(pixels, (low, high), axis=axis)
    spread = np.take(ordered, high, axis).astype(int) - np.take(ordered, low, axis)
    lines = np.flatnonzero(spread > _FLAT)
    return (offset + int(lines[0]), offset + int(lines[-1]) + 1) if len(lines) else None


def _view(pixels: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    height, width = pixels.shape
    left, top, right, bottom = box
    part = pixels[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    return part if part.size else pixels


def _spectrum(pixels: np.ndarray) -> np.ndarray:
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.dct(small).ravel()[_COEFFICIENTS]
