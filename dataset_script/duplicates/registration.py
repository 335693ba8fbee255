"""Whether two images show the same exposure: register one on the other, then compare them block by block.

Once registered, a near-duplicate agrees with its original down to the finest detail that it kept. Another exposure of
the same patient does not, because breathing and posture move ribs, vessels and diaphragm relative to each other, and no
single affine map fits two exposures everywhere. That is why comparing blocks separates the two cases better than one
correlation of the whole. Local contrast is divided out first, so that brightness, gamma and window have no effect. The
median over the blocks tolerates arrows and text.
"""

from functools import cached_property

import cv2
import numpy as np

ACCEPT = 0.87
"""Similarity from which a pair counts as near-duplicates.

Among 33,738 proposed pairs of 1,889 real radiographs at 256 px, near-duplicates start at 0.886 (at 182 px 0.882), and
other pairs reach at most 0.847; one photograph of a screen, at 0.71, is missed. On pairs that were not used to choose
the threshold, near-duplicates of real radiographs made in eight ways start at 0.917, and different phantoms reach at
most 0.845.
"""

_COARSE, _MIDDLE, _FINE = 64, 96, 192
_SCALES = (0.87, 0.90, 0.93, 0.955, 0.98, 1.0, 1.02, 1.045, 1.07, 1.10, 1.14)
_MARGIN = 10
_MIN_MATCH, _MIN_COARSE, _MIN_MIDDLE = 0.6, 0.80, 0.75
"""Correlations below which a comparison ends early. Near-duplicates of real radiographs start at 0.65, 0.878, 0.826."""
_CLEARLY_DIFFERENT, _CLEARLY_EQUAL = 0.70, 0.95
"""Only between these similarities is the other direction tried too; near-duplicates reach 0.81 in both."""
_BLOCKS = 8
_MIN_BLOCKS = 16
_MIN_COVER = 0.5
_MIN_TEXTURE = 0.15
_HALF = np.full(2, 0.5, np.float32)


Squares = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A trimmed image made square, uint8 (S, S), at the growing sizes of the steps of a comparison."""


def make_squares(trimmed: np.ndarray) -> Squares:
    """All that a comparison needs of an image, uint8 (H, W) without borders.

    Some collections stretch every image to a square; squaring all of them undoes the difference.
    """
    return _square(trimmed, _COARSE), _square(trimmed, _MIDDLE), _square(trimmed, _FINE)


def _square(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA))


class Prepared:
    """An image's squares, normalised, float32 (S, S), to be compared with many others.

    Most comparisons end at `coarse`, so the larger ones are computed only when they are needed.
    """

    def __init__(self, squares: Squares) -> None:
        self._coarse, self._middle, self._fine = squares

    @cached_property
    def coarse(self) -> np.ndarray:
        """For the search over scales and positions."""
        return normalised(self._coarse.astype(np.float32), 4)

    @cached_property
    def middle(self) -> np.ndarray:
        """For the first registration."""
        return normalised(self._middle.astype(np.float32), 5)

    @cached_property
    def fine(self) -> np.ndarray:
        """For the last registration."""
        return normalised(self._smooth, 8)

    @cached_property
    def detail(self) -> np.ndarray:
        """For the final comparison: structures of a few pixels."""
        return normalised(self._smooth, 3)

    @cached_property
    def _smooth(self) -> np.ndarray:
        return cv2.GaussianBlur(self._fine.astype(np.float32), (0, 0), 1.0)


def similarity(first: Prepared, second: Prepared) -> float:
    """The similarity of two images once registered, in either order: at most 1, and 0 if they have little in common.

    The larger of both directions counts, because a registration that misses the true map in one direction often finds
    it in the other.
    """
    forth = _similarity_onto(first, second)
    return max(forth, _similarity_onto(second, first)) if _CLEARLY_DIFFERENT <= forth < _CLEARLY_EQUAL else forth


def _similarity_onto(first: Prepared, second: Prepared) -> float:
    """The median correlation of the blocks after moving the second onto the first; 0 if the comparison ended early.

    A short registration on the coarse squares rules out most unrelated images before the long one on the middle ones.
    """
    correlation, to_second = _match(first.coarse, second.coarse)
    if correlation < _MIN_MATCH or _refined(first.coarse, second.coarse, to_second, 5)[0] < _MIN_COARSE:
        return 0.0
    correlation, to_second = _refined(first.middle, second.middle, _rescaled(to_second, _MIDDLE / _COARSE), 30)
    if correlation < _MIN_MIDDLE:
        return 0.0
    _, to_second = _refined(first.fine, second.fine, _rescaled(to_second, _FINE / _MIDDLE), 20)
    return _agreement(first.detail, second.detail, to_second)


def normalised(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Subtract the local mean and divide by the local contrast plus 3 gray levels, so that noise is not amplified."""
    structure = pixels - cv2.GaussianBlur(pixels, (0, 0), sigma)
    return structure / (np.sqrt(cv2.GaussianBlur(structure**2, (0, 0), sigma)) + 3.0)


def _match(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Best correlation of the second's centre within the first over scales, and the map, (2, 3), first → second."""
    centre = second[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    best = -1.0, np.eye(2, 3, dtype=np.float32)
    for scale in _SCALES:
        side = round(len(centre) * scale)
        correlations = cv2.matchTemplate(first, cv2.resize(centre, (side, side)), cv2.TM_CCOEFF_NORMED)
        _, value, _, corner = cv2.minMaxLoc(correlations)
        if value > best[0]:
            zoom = len(centre) / side
            offset = _MARGIN - 0.5 + zoom * (0.5 - np.array(corner))
            best = value, np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]], np.float32)
    return best


def _rescaled(mapping: np.ndarray, factor: float) -> np.ndarray:
    """The same map between images `factor` times as large; pixel centres are at whole numbers."""
    linear, offset = mapping[:, :2], mapping[:, 2]
    offset = factor * offset + (factor - 1) * (_HALF - linear @ _HALF)
    return np.column_stack([linear, offset]).astype(np.float32)


def _refined(first: np.ndarray, second: np.ndarray, mapping: np.ndarray, iterations: int) -> tuple[float, np.ndarray]:
    """The largest correlation that can be reached from an affine map, and the improved map.

    Enhanced correlation coefficient (Evangelidis & Psarakis 2008, doi 10.1109/TPAMI.2008.113).
    """
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, iterations, 1e-4)
    try:
        # Without a mask, which the type stubs demand.
        return cv2.findTransformECC(  # type: ignore[call-overload]
            first, second, mapping.copy(), cv2.MOTION_AFFINE, stop, None, 1
        )
    except cv2.error:  # it diverged: the images have little in common
        return -1.0, mapping


def _agreement(first: np.ndarray, second: np.ndarray, to_second: np.ndarray) -> float:
    """Median correlation of the blocks that both images cover and that show structure; 0 if there are too few."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second, to_second, (_FINE, _FINE), flags=flags)
    inside = cv2.warpAffine(np.ones_like(second), to_second, (_FINE, _FINE), flags=flags) > 0.99
    one, other, covered = _blocks(first), _blocks(moved), _blocks(inside).mean(axis=1)
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    contrast = one.std(axis=1), other.std(axis=1)
    usable = (covered > 0.9) & (np.minimum(*contrast) > _MIN_TEXTURE)
    if usable.sum() < _MIN_BLOCKS or inside.mean() < _MIN_COVER:
        return 0.0
    product = (one * other).mean(axis=1)
    return float(np.median(product[usable] / (contrast[0] * contrast[1])[usable]))


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """(S, S) as (blocks, pixels of a block)."""
    side = _FINE // _BLOCKS
    return pixels.reshape(_BLOCKS, side, _BLOCKS, side).swapaxes(1, 2).reshape(_BLOCKS**2, -1)
