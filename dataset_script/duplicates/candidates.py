"""Which of many images may be near-duplicates: nearest neighbours in Hamming distance, in less than quadratic time.

The index is an inverted file (Sivic & Zisserman 2003, doi 10.1109/ICCV.2003.1238663) from faiss: some images serve as
centres, every image is listed under its nearest centre, and a query reads the lists of the centres nearest to it. Up to
4,000 images the search is exact. Alternatives were measured: hash tables with flipped bits are as fast but miss crops,
which differ from their original in 40 to 75 bits, still fewer than any unrelated image; a navigable graph misses one
near-duplicate in thirty at 100,000 images.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np

from dataset_script.duplicates.fingerprint import CODE_BYTES

NEIGHBOURS = 20
"""Candidates that an image proposes at most. With hard crops or small sizes, a near-duplicate may come 17th."""

MAX_DISTANCE = 96
"""Bits that may differ between a view of one image and the whole of another; others differ in 108 on average."""

_IMAGES_PER_CENTRE, _CENTRES_READ = 128, 32
_QUERIES_PER_LOT = 1024
_TOO_FAR = 8 * CODE_BYTES + 1
_DISTANCES = _TOO_FAR + 1
_NO_IMAGE = -1


def propose_pairs(codes: np.ndarray, num_proc: int = 1) -> np.ndarray:
    """Pairs that are worth comparing, int32 (M, 2) with i < j, from perceptual bits, packed, uint8 (N, VIEWS, 32).

    Every view of every image queries the whole images, so that a crop finds its original and the other way round.
    The result does not depend on the number of threads.
    """
    if len(codes) < 2:
        return np.empty((0, 2), np.int32)
    # One OpenMP thread in each of our threads: OpenMP synchronises after every 32 queries and spins while it waits.
    with ThreadPoolExecutor(num_proc, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        index = pool.submit(_build_index, np.ascontiguousarray(codes[:, 0])).result()
        proposed = np.empty((len(codes), NEIGHBOURS), np.int32)
        starts = range(0, len(codes), _QUERIES_PER_LOT)
        list(pool.map(lambda start: _fill(proposed[start : start + _QUERIES_PER_LOT], index, codes, start), starts))
    return np.concatenate([_unique_pairs(proposed, start) for start in starts])


def _build_index(wholes: np.ndarray) -> faiss.IndexBinaryIVF:
    """One centre for 128 images, but at most 8 √N centres, which bounds the work by about N √N."""
    count = max(1, min(len(wholes) // _IMAGES_PER_CENTRE, 8 * math.isqrt(len(wholes))))
    quantizer = faiss.IndexBinaryFlat(8 * CODE_BYTES)
    quantizer.add(wholes[_choose_centres(wholes, count)])
    index = faiss.IndexBinaryIVF(quantizer, 8 * CODE_BYTES, count)
    index.quantizer_held = quantizer  # type: ignore[attr-defined]  # faiss holds a bare pointer
    index.nprobe = min(count, _CENTRES_READ)
    index.train(wholes[:1])  # the centres are given: this only marks the index as trained
    index.add(wholes)
    return index


def _choose_centres(wholes: np.ndarray, count: int) -> np.ndarray:
    """Rows chosen by a hash of their bits, so that one more image hardly changes the choice."""
    words = wholes.view(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, words.shape[1], dtype=np.uint64) | np.uint64(1)
    return np.argsort((words * factors).sum(axis=1, dtype=np.uint64), kind="stable")[:count]


def _fill(nearest: np.ndarray, index: faiss.IndexBinaryIVF, codes: np.ndarray, start: int) -> None:
    """Set `nearest`, int32 (M, `NEIGHBOURS`), to the neighbours of the M images from `start` on, by their best view.

    Rows with fewer neighbours end in `_NO_IMAGE`. Only one lot of images is queried at a time, to bound the memory.
    """
    part = codes[start : start + len(nearest)]
    views = [index.search(np.ascontiguousarray(part[:, view]), NEIGHBOURS + 1) for view in range(codes.shape[1])]
    distance, neighbour = (np.concatenate([view[side] for view in views], axis=1).astype(np.int64) for side in (0, 1))
    query = np.broadcast_to(start + np.arange(len(part))[:, None], neighbour.shape)
    distance[(neighbour < 0) | (neighbour == query)] = _TOO_FAR
    neighbour, distance = np.divmod(np.sort(neighbour * _DISTANCES + distance, axis=1), _DISTANCES)
    distance[:, 1:][neighbour[:, 1:] == neighbour[:, :-1]] = _TOO_FAR  # another view has it at a smaller distance
    order = np.argsort(distance * len(codes) + neighbour, axis=1)[:, :NEIGHBOURS]
    neighbour, distance = (np.take_along_axis(values, order, axis=1) for values in (neighbour, distance))
    neighbour[distance > MAX_DISTANCE] = _NO_IMAGE
    nearest[:, : neighbour.shape[1]] = neighbour
    nearest[:, neighbour.shape[1] :] = _NO_IMAGE


def _unique_pairs(proposed: np.ndarray, start: int) -> np.ndarray:
    """The pairs proposed by one lot of images from `start` on, int32 (M, 2).

    Where two images propose each other, only the first lists the pair, so that no pair of the whole is listed twice.
    """
    part = proposed[start : start + _QUERIES_PER_LOT]
    query = np.broadcast_to(np.arange(start, start + len(part), dtype=np.int32)[:, None], part.shape)
    is_listed_by_the_other = (part < query) & (proposed[part] == query[..., None]).any(axis=2)
    is_mine = (part != _NO_IMAGE) & ~is_listed_by_the_other
    pairs = np.stack([query[is_mine], part[is_mine]], axis=1)
    pairs.sort(axis=1)
    return pairs
