"""Finds copies of pictures across sources and labels, exact and near, without holding the pictures.

Three steps, of which only the last opens a picture again:

1. `fingerprint.fingerprint` reduces every picture to 208 bytes while it is read (about 1.5 ms, in any worker).
2. `candidates.candidates` proposes a few neighbours for each, in about n log n.
3. `registration.similarity` registers the two pictures of a proposal and compares them (about 3 ms, and there are
   at most twenty proposals a picture).

`find_copies` runs steps 2 and 3, `clusters` joins its pairs, `copies.resolve` decides who stays, and
`pair_sheets.draw` shows the pairs to a person. Mirrored pictures are not looked for.

    marks = np.stack([fingerprint(pixels) for pixels in ...])  # of the pictures as the dataset holds them
    pairs = find_copies(marks, load, known=similarities_of_the_last_run, num_proc=2)
    found = resolve(clusters(pairs, len(marks)), copies, "drop")
    pair_sheets.draw(pairs, load, names, folder)
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from dataset_script.duplicates.candidates import candidates
from dataset_script.duplicates.fingerprint import HASH_BYTES, codes, pixel_hash
from dataset_script.duplicates.registration import ACCEPT, Prepared, Squares, similarity, squares

METHOD = 2
"""Belongs into the key of whatever keeps fingerprints or similarities: counts up whenever they would differ."""

HELD = 600
"""Pictures whose squares are held at a time; each takes 50 kB."""

_READY = 32
"""Pictures held ready for comparison at a time, for each takes 0.4 MB."""

_BATCH, _BLOCK = 1024, HELD // 3


class Known(Protocol):
    """Similarities of an earlier run by two pixel hashes in order: a `dict`, or a table on disk that is none."""

    def get(self, key: tuple[str, str]) -> float | None:
        """The similarity, None if the pair has not been compared."""

    def update(self, found: Mapping[tuple[str, str], float]) -> None:
        """Add similarities."""


class Pair(NamedTuple):
    """Two copies, `first` < `second`; `similarity` is 1.0 for equal pixels."""

    first: int
    second: int
    similarity: float


def find_copies(
    fingerprints: np.ndarray,
    load: Callable[[int], np.ndarray],
    *,
    known: Known | None = None,
    num_proc: int = 1,
    progress: bool = True,
) -> list[Pair]:
    """Find the pairs of pictures that show the same exposure.

    Of three and more copies not every pair may be listed, but enough to join them all. The outcome depends on the
    pixels and their order alone, not on `num_proc`.

    Args:
        fingerprints: uint8 (N, `fingerprint.SIZE`).
        load: gives the pixels, uint8 (H, W), that fingerprint i was made of; called from `num_proc` threads.
        known: similarities by the two pixel hashes in order (`fingerprint.pixel_hash`), from an earlier run. New
            ones are added, those of pairs refused too: stored, they spare the next run all comparisons but new ones.
        num_proc: threads; decoding and comparing let go of the interpreter.
        progress: whether to show a bar on stderr.

    Returns:
        The pairs in order.
    """
    known = {} if known is None else known
    squared = lru_cache(HELD)(lambda index: squares(load(index)))
    first = _first_of_its_pixels(fingerprints)
    asking = np.unique(first)
    others = np.flatnonzero(first != np.arange(len(first)))
    found = [Pair(int(first[other]), int(other), 1.0) for other in others]
    while len(asking):
        mine = fingerprints if len(asking) == len(fingerprints) else fingerprints[asking]
        proposed = _in_blocks(candidates(codes(mine), num_proc))
        scored = _scored(proposed, asking, fingerprints, squared, known, num_proc)
        bar = tqdm(scored, total=len(proposed), desc="comparing", unit=" pairs", disable=not progress)
        fresh = [pair for pair in bar if pair.similarity >= ACCEPT]
        found += fresh
        # Many copies of one picture crowd each other out of its few candidates, and part into several clusters: one
        # of each asks again.
        joined = clusters(found, len(fingerprints)) if fresh else []
        asking = np.array([min(one, key=lambda i: pixel_hash(fingerprints[i])) for one in joined], np.int64)
    return sorted(found)


def clusters(pairs: Iterable[Pair], count: int) -> list[list[int]]:
    """Join pairs of `count` pictures to clusters of two and more, each and all of them in order."""
    first, second = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    members = defaultdict(list)
    for index in np.unique(np.concatenate([first, second])).tolist():
        members[component[index]].append(index)
    return sorted(members.values())


def _first_of_its_pixels(fingerprints: np.ndarray) -> np.ndarray:
    """For each picture the first that has the same pixels, int64 (N,)."""
    hashes = np.ascontiguousarray(fingerprints[:, :HASH_BYTES]).view(f"V{HASH_BYTES}").ravel()
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    return first[inverse]


def _in_blocks(proposed: np.ndarray) -> np.ndarray:
    """Pairs, int32 (M, 2), in an order in which a picture is asked for again while it is still held."""
    first, second = proposed.T
    return proposed[np.lexsort((second, first, second // _BLOCK, first // _BLOCK))]


def _scored(
    proposed: np.ndarray,
    asking: np.ndarray,
    fingerprints: np.ndarray,
    squared: Callable[[int], Squares],
    known: Known,
    num_proc: int,
) -> Iterator[Pair]:
    """The proposed pairs (of places in `asking`) with their similarity, looked up in `known` or measured and added.

    They go in lots: millions of pairs are held as numbers only, and what was compared survives an interruption.
    """
    for start in range(0, len(proposed), _BATCH):
        pairs = asking[proposed[start : start + _BATCH]].tolist()
        hashes = {index: pixel_hash(fingerprints[index]) for pair in pairs for index in pair}
        pairs = [sorted(pair, key=hashes.__getitem__) for pair in pairs]  # the order of pictures must not matter
        values = [known.get((hashes[first], hashes[second])) for first, second in pairs]
        unknown = [place for place, value in enumerate(values) if value is None]
        fresh = {}
        for place, value in zip(unknown, _compare([pairs[place] for place in unknown], squared, num_proc), strict=True):
            first, second = pairs[place]
            fresh[hashes[first], hashes[second]] = values[place] = value
        known.update(fresh)
        yield from (Pair(*sorted(pair), value) for pair, value in zip(pairs, values, strict=True))


def _compare(pairs: Sequence[Sequence[int]], squared: Callable[[int], Squares], num_proc: int) -> Iterator[float]:
    """Similarities of pairs, in their order; neighbouring pairs share pictures, which are kept for a while."""

    @lru_cache(_READY)
    def ready(index: int) -> Prepared:
        return Prepared(squared(index))

    def verdict(pair: Sequence[int]) -> float:
        return similarity(ready(pair[0]), ready(pair[1]))

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # pictures this small keep threads of OpenCV's own waiting for each other
    try:
        with ThreadPoolExecutor(num_proc) as pool:
            yield from pool.map(verdict, pairs)
    finally:
        cv2.setNumThreads(before)
