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

from dataset_script.duplicates.fingerprint import CODE_BYTES

NEIGHBOURS = 20
"""Candidates a picture proposes at most: cut hard or at small sizes, a copy may come as late as the seventeenth."""

REACH = 96
"""Bits that may differ between a view of one picture and the whole of another; strangers differ in 108 on average."""

_PER_CENTRE, _PROBED = 128, 32
_QUERIES = 1024
_BEYOND = 8 * CODE_BYTES + 1
_LEVELS = _BEYOND + 1
_NOBODY = -1


def candidates(codes: np.ndarray, num_proc: int = 1) -> np.ndarray:
    """Pairs worth a look, int32 (M, 2) with i < j, of packed bits uint8 (N, VIEWS, 32).

    Every view of every picture looks for whole pictures near it, so that a crop meets its original from either side.
    The same codes give the same pairs, whatever the number of threads.
    """
    if len(codes) < 2:
        return np.empty((0, 2), np.int32)
    # Threads of our own: those of OpenMP meet after every 32 queries, and wait spinning where others want the cores.
    with ThreadPoolExecutor(num_proc, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        index = pool.submit(_index, np.ascontiguousarray(codes[:, 0])).result()
        proposed = np.empty((len(codes), NEIGHBOURS), np.int32)
        starts = range(0, len(codes), _QUERIES)
        list(pool.map(lambda start: _fill(proposed[start : start + _QUERIES], index, codes, start), starts))
    return np.concatenate([_pairs(proposed, start) for start in starts])


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


def _fill(nearest: np.ndarray, index: faiss.IndexBinaryIVF, codes: np.ndarray, start: int) -> None:
    """Set `nearest`, int32 (M, `NEIGHBOURS`), to what M pictures from `start` on propose, by any view's distance.

    Where fewer are near it ends in `_NOBODY`. Pictures go in small lots, so that only the nearest are ever held.
    """
    part = codes[start : start + len(nearest)]
    views = [index.search(np.ascontiguousarray(part[:, view]), NEIGHBOURS + 1) for view in range(codes.shape[1])]
    distance, found = (np.concatenate([view[side] for view in views], axis=1).astype(np.int64) for side in (0, 1))
    asking = np.broadcast_to(start + np.arange(len(part))[:, None], found.shape)
    distance[(found < 0) | (found == asking)] = _BEYOND
    found, distance = np.divmod(np.sort(found * _LEVELS + distance, axis=1), _LEVELS)
    distance[:, 1:][found[:, 1:] == found[:, :-1]] = _BEYOND  # another view found it nearer
    order = np.argsort(distance * len(codes) + found, axis=1)[:, :NEIGHBOURS]
    found, distance = (np.take_along_axis(values, order, axis=1) for values in (found, distance))
    found[distance > REACH] = _NOBODY
    nearest[:, : found.shape[1]] = found
    nearest[:, found.shape[1] :] = _NOBODY


def _pairs(proposed: np.ndarray, start: int) -> np.ndarray:
    """The pairs that a lot of pictures from `start` on proposes, int32 (M, 2), each pair of the whole only once.

    The first of two that propose each other tells of it, and otherwise whoever proposes.
    """
    part = proposed[start : start + _QUERIES]
    asking = np.broadcast_to(np.arange(start, start + len(part), dtype=np.int32)[:, None], part.shape)
    is_told = (part < asking) & (proposed[part] == asking[..., None]).any(axis=2)
    mine = (part != _NOBODY) & ~is_told
    pairs = np.stack([asking[mine], part[mine]], axis=1)
    pairs.sort(axis=1)
    return pairs
