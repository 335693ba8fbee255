"""Patient-level splits that new images do not disturb.

Pictures that share a patient, their very bytes or a cluster of copies form a group, and a group never straddles
splits. The group's split is drawn by hash, 70/15/15, from its patient with the smallest hash (`source:patient_id`; a
file without a patient is its own, named by its bytes, so that moving files about moves no split) and the seed. Classes
are divided alike in expectation; there is no rebalancing, because it would move old pictures whenever a new one came.

A collection's own splits are kept. Where it has no validation (or test) split, that is carved out of its training
pictures; pictures that it leaves undecided count as training pictures. In a group that its collections put on both
sides, the copies in test stay, then those in validation, and the others leave. Before all of them an external set
stays: whoever shares a group with one of its pictures is no picture to train on.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cxr.errors import UserError
from cxr.schema.dataset import HELD_OUT, SPLITS
from cxr.schema.labels import LABELS
from dataset_script.records import Row

WEIGHTS = {"train": 70, "validation": 15, "test": 15}
_SEEDS_TRIED, _FEW_GROUPS = 100, 2000


@dataclass
class Assignment:
    """A split for every item, None for those that leave; `straddling` lists the groups that made them leave."""

    splits: list[str | None]
    straddling: list[list[int]] = field(default_factory=list)


def assign(items: Sequence[Row], seed: int) -> Assignment:
    """Give every item its split.

    Raises:
        UserError: if a class would be absent from a split; it names a seed that works where there is one.
    """
    groups, open_splits = _Groups(items), _open_splits(items)
    found = _draw(items, groups, open_splits, seed)
    absent = _absent(items, found)
    if absent:
        seeds = range(_SEEDS_TRIED if len(groups) <= _FEW_GROUPS else 0)
        other = next((s for s in seeds if not _absent(items, _draw(items, groups, open_splits, s))), None)
        raise UserError(_way_out(*absent, seed, other))
    return found


class _Groups:
    """Items joined by patient, bytes or cluster; iterating gives each group's indices, in order, as are the groups."""

    def __init__(self, items: Sequence[Row]) -> None:
        keys = (
            (item.sha256 for item in items),
            (item.patient for item in items),
            (item.sha256 if item.cluster is None else f"cluster {item.cluster}" for item in items),
        )
        _, self._first, joined = np.unique(_joined(*map(_numbered, keys)), return_index=True, return_inverse=True)
        self._members = np.argsort(joined, kind="stable")
        self._ends = np.cumsum(np.bincount(joined)) if len(joined) else joined

    def __len__(self) -> int:
        return len(self._first)

    def __iter__(self) -> Iterator[list[int]]:
        for group in np.argsort(self._first):
            end = self._ends[group]
            yield self._members[self._ends[group - 1] if group else 0 : end].tolist()


def _numbered(keys: Iterable[str]) -> np.ndarray:
    """Equal keys get equal numbers, int64 (N,); by 128 bits of a hash, because texts take ten times as much."""
    hashes = np.frombuffer(b"".join(hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys), "V16")
    return np.unique(hashes, return_inverse=True)[1]


def _joined(*keys: np.ndarray) -> np.ndarray:
    """The number of each item's connected component, where items that share a number in any of `keys` are joined."""
    count = len(keys[0])
    nodes = [count + place * count + key for place, key in enumerate(keys)]
    edges = np.tile(np.arange(count), len(keys)), np.concatenate(nodes)
    size = count * (1 + len(keys))
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(size, size))
    return connected_components(graph, directed=False)[1][:count]


def _open_splits(items: Sequence[Row]) -> dict[str, set[str]]:
    """By source, the splits among which its training and undecided pictures are drawn."""
    own = defaultdict(set)
    for item in items:
        own[item.source].add(item.predefined)
    return {source: {"train"} | (set(SPLITS) - splits) for source, splits in own.items()}


def _draw(items: Sequence[Row], groups: _Groups, open_splits: dict[str, set[str]], seed: int) -> Assignment:
    found = Assignment([None] * len(items))
    for group in groups:
        held_out = {items[index].predefined for index in group}
        fixed = next((split for split in HELD_OUT if split in held_out), None)
        if fixed is None:
            common = set.intersection(*(open_splits[items[index].source] for index in group))
            drawn = _split_of(min(_hash(items[index].patient) for index in group), seed, common)
            staying = group
        else:
            drawn, staying = fixed, [index for index in group if items[index].predefined == fixed]
        for index in staying:
            found.splits[index] = drawn
        if len(staying) < len(group):
            found.straddling.append(group)
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _split_of(patient: str, seed: int, among: set[str]) -> str:
    """Draw one of the splits, with their weights, by hash."""
    choices = [split for split in SPLITS if split in among]
    total = sum(WEIGHTS[split] for split in choices)
    point = int(_hash(f"{seed}:{patient}"), 16) / 2**256 * total
    for split in choices[:-1]:
        point -= WEIGHTS[split]
        if point < 0:
            return split
    return choices[-1]


def _absent(items: Sequence[Row], found: Assignment) -> tuple[str, str] | None:
    """The first class and split where none is to be found."""
    present = {(item.label, split) for item, split in zip(items, found.splits, strict=True)}
    for split in SPLITS:
        for label, name in enumerate(LABELS):
            if (label, split) not in present:
                return name, split
    return None


def _way_out(label: str, split: str, seed: int, other: int | None) -> str:
    message = f"no {label} picture falls into the {split} split with --seed {seed}: add more {label} patients"
    return message if other is None else f"{message}, or use --seed {other}, with which every split holds both classes"
