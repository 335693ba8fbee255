"""Which pictures of many may be copies of each other: nearest neighbours in Hamming distance, sub-quadratically.

An inverted file (Sivic & Zisserman 2003, doi 10.1109/ICCV.2003.1238663) as faiss has it: every picture is filed under
the nearest of some pictures drawn as centres, and looked for in the files nearest to it. Up to 4,000 pictures that
is an exact search. Hash tables with flipped bits are as fast but miss the crops, which lie 40 to 75 bits apart, yet
nearer than any stranger; a navigable graph misses one near copy in thirty at 100,000.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np

from dataset_script.fingerprint import CODE_BYTES

NEIGHBOURS = 20
"""Candidates a picture proposes at most: cut hard or at small sizes, a copy may come as late as the seventeenth."""

REACH = 96
"""Bits that may differ between a view of one picture and the whole of another; strangers differ in 108 on average."""

_PER_CENTRE, _PROBED = 128, 32
_QUERIES = 8192


def candidates(codes: np.ndarray, num_proc: int = 1) -> np.ndarray:
    """Pairs worth a look, int64 (M, 2) with i < j, sorted, of packed bits uint8 (N, VIEWS, 32).

    Every view of every picture looks for whole pictures near it, so that a crop meets its original from either side.
    The same codes give the same pairs, whatever the number of threads.
    """
    if len(codes) < 2:
        return np.empty((0, 2), np.int64)
    # Threads of our own: those of OpenMP meet after every 32 queries, and wait spinning where others want the cores.
    with ThreadPoolExecutor(num_proc, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        index = pool.submit(_index, np.ascontiguousarray(codes[:, 0])).result()
        parts = [(view, start) for view in range(codes.shape[1]) for start in range(0, len(codes), _QUERIES)]
        directed = np.concatenate(list(pool.map(lambda part: _near(index, codes, *part), parts)))
    return _both_ways(_nearest(directed, len(codes)), len(codes))


def _index(wholes: np.ndarray) -> faiss.IndexBinaryIVF:
    """One centre for 128 pictures, and never more than 8 √N of them, which bounds the work by about N √N."""
    count = max(1, min(len(wholes) // _PER_CENTRE, 8 * math.isqrt(len(wholes))))
    quantizer = faiss.IndexBinaryFlat(8 * CODE_BYTES)
    quantizer.add(wholes[_drawn(wholes, count)])
    index = faiss.IndexBinaryIVF(quantizer, 8 * CODE_BYTES, count)
    index.quantizer_held = quantizer  # faiss keeps a bare pointer
    index.nprobe = min(count, _PROBED)
    index.train(wholes[:1])  # nothing to learn: the centres stand
    index.add(wholes)
    return index


def _drawn(wholes: np.ndarray, count: int) -> np.ndarray:
    """Rows drawn by a hash of their bits, so that one more picture changes hardly any of them."""
    words = wholes.view(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, words.shape[1], dtype=np.uint64) | np.uint64(1)
    return np.argsort((words * factors).sum(axis=1, dtype=np.uint64), kind="stable")[:count]


def _near(index: faiss.IndexBinaryIVF, codes: np.ndarray, view: int, start: int) -> np.ndarray:
    """Rows of (picture, found, distance), int64 (M, 3), without the picture itself, for pictures from `start` on."""
    queries = np.ascontiguousarray(codes[start : start + _QUERIES, view])
    distances, found = index.search(queries, NEIGHBOURS + 1)
    asking = np.broadcast_to(start + np.arange(len(queries))[:, None], found.shape)
    near = (found >= 0) & (found != asking) & (distances <= REACH)
    return np.stack([asking[near], found[near], distances[near]], axis=1).astype(np.int64)


def _nearest(directed: np.ndarray, count: int) -> np.ndarray:
    """The (picture, found), int64 (M, 2), of the nearest `NEIGHBOURS` of each picture by any view's distance.

    Rows are sorted as single numbers, which takes a tenth of the time of sorting them by columns.
    """
    levels = 8 * CODE_BYTES + 1
    pair, distance = np.divmod(np.sort((directed[:, 0] * count + directed[:, 1]) * levels + directed[:, 2]), levels)
    first = np.diff(pair, prepend=-1) > 0
    asking, found = np.divmod(pair[first], count)
    nearest, found = np.divmod(np.sort((asking * levels + distance[first]) * count + found), count)
    asking = nearest // levels
    rank = np.arange(len(asking)) - np.searchsorted(asking, asking)
    return np.stack([asking, found], axis=1)[rank < NEIGHBOURS]


def _both_ways(directed: np.ndarray, count: int) -> np.ndarray:
    """Every pair once, its smaller index first, in order."""
    ordered = np.sort(directed, axis=1)
    return np.stack(np.divmod(np.unique(ordered[:, 0] * count + ordered[:, 1]), count), axis=1)
