"""The fingerprint of an image for the duplicate search: a hash of its pixels, 256 bits for six views, a thumbnail.

A near-duplicate may have been re-encoded, resized, brightened, framed or cropped. Uniform borders are trimmed first, so
that a frame makes no difference. The whole image and five crops of 5 % (centred, and from each corner) are then reduced
to the signs of their 256 lowest DCT coefficients (the perceptual hash of Zauner 2010, with more coefficients and
without the median). A cropped image is close to the matching view of its original, whichever of the two is queried.
The thumbnail tells most unrelated images apart that have similar bits. Together they take 784 bytes.
"""

import hashlib

import cv2
import numpy as np

HASH_BYTES, CODE_BYTES, THUMBNAIL = 16, 32, 24
_CROP = 0.05
_VIEWS = (
    (0, 0, 1, 1),
    (_CROP / 2, _CROP / 2, 1 - _CROP / 2, 1 - _CROP / 2),
    *((x, y, x + 1 - _CROP, y + 1 - _CROP) for x in (0, _CROP) for y in (0, _CROP)),
)
"""Left, top, right and bottom of every view, as shares of the trimmed image."""

VIEWS = len(_VIEWS)
_CODES_END = HASH_BYTES + VIEWS * CODE_BYTES
SIZE = _CODES_END + THUMBNAIL**2
"""Bytes of a fingerprint."""

_UNIFORM_RANGE = 12
_MIN_SHARE_LEFT = 0.3
_DCT_SIDE = 32


def _lowest_frequencies() -> np.ndarray:
    """Flat indices of the 256 lowest frequencies except the mean, shuffled so that any run of bits has all scales."""
    u = np.arange(_DCT_SIDE)
    radius = u[:, None] ** 2 + u[None] ** 2
    lowest = np.argsort(radius.ravel(), kind="stable")[1 : 1 + 8 * CODE_BYTES]
    return np.random.default_rng(0).permutation(lowest)


_COEFFICIENTS = _lowest_frequencies()


def fingerprint(pixels: np.ndarray) -> np.ndarray:
    """The fingerprint, uint8 (`SIZE`,), of an image, uint8 (H, W), as it is stored in the dataset."""
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode() + pixels.tobytes())
    trimmed = trim(pixels)
    bits = np.packbits(spectra(trimmed) > 0)
    small = cv2.resize(trimmed, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.concatenate([np.frombuffer(digest.digest()[:HASH_BYTES], np.uint8), bits, small.ravel()])


def spectra(trimmed: np.ndarray) -> np.ndarray:
    """The coefficients whose signs are the bits, float32 (`VIEWS`, 256), of an image without borders, uint8 (H, W)."""
    return np.stack([_spectrum(_view(trimmed, box)) for box in _VIEWS])


def pixel_hash(fingerprint: np.ndarray) -> str:
    """The pixel hash, 32 hex digits, of a fingerprint uint8 (`SIZE`,): equal for equal pixels."""
    return fingerprint[:HASH_BYTES].tobytes().hex()


def codes(fingerprints: np.ndarray) -> np.ndarray:
    """The perceptual bits, packed, uint8 (N, `VIEWS`, 32), of fingerprints uint8 (N, `SIZE`); view 0 is the whole."""
    return fingerprints[:, HASH_BYTES:_CODES_END].reshape(-1, VIEWS, CODE_BYTES)


def thumbnails(fingerprints: np.ndarray) -> np.ndarray:
    """The whole images without borders, squared and small, uint8 (N, `THUMBNAIL`, `THUMBNAIL`)."""
    return fingerprints[:, _CODES_END:].reshape(-1, THUMBNAIL, THUMBNAIL)


def trim(pixels: np.ndarray) -> np.ndarray:
    """Cut uniform rows and columns off all four sides of uint8 (H, W) until no side has any.

    A line is uniform if 96 % of its pixels lie within 12 gray levels, which tolerates JPEG ringing and a burnt-in mark.
    An image that would lose more than 70 % of a side is returned untrimmed.
    """
    rows, columns = (0, pixels.shape[0]), (0, pixels.shape[1])
    while True:
        new_rows = _non_uniform_range(pixels[slice(*rows), slice(*columns)], rows[0], axis=1)
        if new_rows is None:
            return pixels
        new_columns = _non_uniform_range(pixels[slice(*new_rows), slice(*columns)], columns[0], axis=0)
        if new_columns is None:
            return pixels
        if (new_rows, new_columns) == (rows, columns):
            break
        rows, columns = new_rows, new_columns
    trimmed = pixels[slice(*rows), slice(*columns)]
    share = min(after / before for after, before in zip(trimmed.shape, pixels.shape, strict=True))
    return trimmed if share >= _MIN_SHARE_LEFT else pixels


def _non_uniform_range(pixels: np.ndarray, offset: int, axis: int) -> tuple[int, int] | None:
    """Begin and end of the lines that are not uniform, plus `offset`; None if all are uniform."""
    last = pixels.shape[axis] - 1
    low, high = int(0.02 * last), int(np.ceil(0.98 * last))
    ordered = np.partition(pixels, (low, high), axis=axis)
    spread = np.take(ordered, high, axis).astype(int) - np.take(ordered, low, axis)
    lines = np.flatnonzero(spread > _UNIFORM_RANGE)
    return (offset + int(lines[0]), offset + int(lines[-1]) + 1) if len(lines) else None


def _view(pixels: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    height, width = pixels.shape
    left, top, right, bottom = box
    part = pixels[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    return part if part.size else pixels


def _spectrum(pixels: np.ndarray) -> np.ndarray:
    small = cv2.resize(pixels, (_DCT_SIDE, _DCT_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.dct(small).ravel()[_COEFFICIENTS]
