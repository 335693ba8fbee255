"""Finds near-duplicates across collections and labels, without holding the images in memory.

Four steps, of which only the last opens an image again:

1. `fingerprint.fingerprint` reduces every image to 784 bytes while it is read (about 1.5 ms, in any worker).
2. `candidates.propose_pairs` proposes up to twenty neighbours for each image, in about n log n.
3. `screening.screen_pairs` keeps those that are alike at a quick look (about 0.1 ms), two to three for an image.
4. `registration.similarity` registers the two images of a pair and compares them (about 3 ms).

`find_near_duplicates` runs steps 2 to 4 on images of the store, `find_pairs` on any fingerprints. Mirrored
images are not searched for.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from dataset_script.duplicates.candidates import propose_pairs
from dataset_script.duplicates.fingerprint import HASH_BYTES, SIZE, codes, pixel_hash, trim
from dataset_script.duplicates.registration import ACCEPT, Prepared, Squares, make_squares, similarity
from dataset_script.duplicates.screening import screen_pairs
from dataset_script.storage.store import Store

CACHED_SQUARES = 600
"""Images whose squares are kept in memory at a time; each takes 50 kB."""

_CACHED_PREPARED = 32
"""Images kept normalised for comparison at a time; each takes 0.4 MB."""

_PAIRS_PER_LOT, _IMAGES_PER_BLOCK = 1024, CACHED_SQUARES // 3
SIMILARITY_CODE = ("dataset_script/duplicates/registration.py", "dataset_script/duplicates/fingerprint.py")
"""What a similarity depends on: an edit there, or in what these import, must discard the similarities kept before."""


class Known(Protocol):
    """Similarities of an earlier run by two pixel hashes in order: a `dict`, or a table on disk."""

    def get(self, key: tuple[str, str], /) -> float | None:
        """The similarity, None if the pair has not been compared."""

    def update(self, values: Mapping[tuple[str, str], float], /) -> None:
        """Add similarities."""


class Pair(NamedTuple):
    """Two near-duplicates, `first` < `second`; `similarity` is 1.0 for equal pixels."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True)
class NearDuplicates:
    """The pairs found, and the clusters of two and more images that they form; both hold positions."""

    pairs: list[Pair]
    clusters: list[list[int]]


def find_near_duplicates(numbers: Sequence[int], store: Store, known: Known, num_proc: int) -> NearDuplicates:
    """Find the near-duplicates among images of the store; pairs in `known` are not compared again."""
    pairs = find_pairs(
        store.fingerprints(numbers, SIZE),
        lambda position: load_pixels(store, numbers[position]),
        known=known,
        num_proc=num_proc,
    )
    return NearDuplicates(pairs, cluster_pairs(pairs, len(numbers)))


def load_pixels(store: Store, number: int) -> np.ndarray:
    """An image of the store, uint8 (H, W)."""
    with Image.open(io.BytesIO(store.image(number))) as image:
        return np.asarray(image)


def find_pairs(
    fingerprints: np.ndarray,
    load: Callable[[int], np.ndarray],
    *,
    known: Known | None = None,
    num_proc: int = 1,
    progress: bool = True,
) -> list[Pair]:
    """Find the pairs of images that show the same exposure.

    Of three and more near-duplicates not every pair may be listed, but enough pairs to join them all. The result
    depends only on the pixels and their order, not on `num_proc`.

    Args:
        fingerprints: uint8 (N, `fingerprint.SIZE`).
        load: gives the pixels, uint8 (H, W), that fingerprint i was made of; called from `num_proc` threads.
        known: similarities of an earlier run by two pixel hashes in order (`fingerprint.pixel_hash`). New ones are
            added, those below the threshold included, so that the next run compares only new pairs.
        num_proc: threads; decoding and comparing release the interpreter lock.
        progress: whether to show a bar on stderr.

    Returns:
        The pairs in order.
    """
    no_values: dict[tuple[str, str], float] = {}
    cache: Known = no_values if known is None else known
    load_squares = lru_cache(CACHED_SQUARES)(lambda index: make_squares(trim(load(index))))
    first = _first_with_equal_pixels(fingerprints)
    searched = np.unique(first)
    repeated = np.flatnonzero(first != np.arange(len(first)))
    pairs = [Pair(int(first[index]), int(index), 1.0) for index in repeated]
    while len(searched):
        part = fingerprints if len(searched) == len(fingerprints) else fingerprints[searched]
        proposed = _in_blocks(screen_pairs(propose_pairs(codes(part), num_proc), part, num_proc, progress))
        scored = _score(proposed, searched, fingerprints, load_squares, cache, num_proc)
        bar = tqdm(scored, total=len(proposed), desc="comparing", unit=" pairs", disable=not progress)
        new_pairs = [pair for pair in bar if pair.similarity >= ACCEPT]
        pairs += new_pairs
        # Many near-duplicates of one image push each other out of the few candidates and form several clusters:
        # search again with one image of each cluster.
        joined = cluster_pairs(pairs, len(fingerprints)) if new_pairs else []
        searched = np.array([min(one, key=lambda i: pixel_hash(fingerprints[i])) for one in joined], np.int64)
    return sorted(pairs)


def cluster_pairs(pairs: Iterable[Pair], count: int) -> list[list[int]]:
    """Join pairs among `count` images to clusters of two and more; the clusters and their members are in order."""
    first, second = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    members = defaultdict(list)
    for index in np.unique(np.concatenate([first, second])).tolist():
        members[component[index]].append(index)
    return sorted(members.values())


def _first_with_equal_pixels(fingerprints: np.ndarray) -> np.ndarray:
    """For each image the first one that has the same pixels, int64 (N,)."""
    hashes = np.ascontiguousarray(fingerprints[:, :HASH_BYTES]).view(f"V{HASH_BYTES}").ravel()
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    return first[inverse]


def _in_blocks(proposed: np.ndarray) -> np.ndarray:
    """Pairs, int32 (M, 2), ordered so that an image is needed again while it is still cached."""
    first, second = proposed.T
    return proposed[np.lexsort((second, first, second // _IMAGES_PER_BLOCK, first // _IMAGES_PER_BLOCK))]


def _score(
    proposed: np.ndarray,
    searched: np.ndarray,
    fingerprints: np.ndarray,
    load_squares: Callable[[int], Squares],
    known: Known,
    num_proc: int,
) -> Iterator[Pair]:
    """The proposed pairs (positions in `searched`) with their similarity, from `known` or measured and added to it.

    Pairs are processed in lots: an array holds millions of them, and an interruption loses one lot of comparisons.
    """
    for start in range(0, len(proposed), _PAIRS_PER_LOT):
        pairs = searched[proposed[start : start + _PAIRS_PER_LOT]].tolist()
        hashes = {index: pixel_hash(fingerprints[index]) for pair in pairs for index in pair}
        # The order of the two must not depend on the order of the images.
        pairs = [(i, j) if hashes[i] <= hashes[j] else (j, i) for i, j in pairs]
        values = {(i, j): known.get((hashes[i], hashes[j])) for i, j in pairs}
        missing = [pair for pair, value in values.items() if value is None]
        measured = dict(zip(missing, _compare(missing, load_squares, num_proc), strict=True))
        known.update({(hashes[i], hashes[j]): value for (i, j), value in measured.items()})
        for i, j in pairs:
            value = values[i, j]
            yield Pair(min(i, j), max(i, j), measured[i, j] if value is None else value)


def _compare(
    pairs: Sequence[tuple[int, int]], load_squares: Callable[[int], Squares], num_proc: int
) -> Iterator[float]:
    """Similarities of pairs, in their order; neighbouring pairs share images, which are cached."""

    @lru_cache(_CACHED_PREPARED)
    def prepared(index: int) -> Prepared:
        return Prepared(load_squares(index))

    def compare(pair: tuple[int, int]) -> float:
        return similarity(prepared(pair[0]), prepared(pair[1]))

    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # on images this small, OpenCV's own threads mostly wait for each other
    try:
        with ThreadPoolExecutor(num_proc) as pool:
            yield from pool.map(compare, pairs)
    finally:
        cv2.setNumThreads(threads_before)
