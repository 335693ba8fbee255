"""Which images stay, and in which split: patient-level splits that stay as they are when images are added.

Images that share a patient, their very bytes or a cluster of near-duplicates form a group, and a group is never spread
over several splits. The split of a group is drawn by hash, 70/15/15, from the seed and that patient of the group who
has the smallest hash (`source:patient_id`; a file without a patient is identified by its bytes, so that moving files
changes no split). Classes are divided alike in expectation; there is no rebalancing, because it would move old images
whenever new ones came.

A collection's own splits are kept. If it has no validation (or test) split, that is drawn from its training images;
images without a split count as training images. If a group has images in several predefined splits, those in test stay,
or else those in validation, and the others leave. External sets come before all of them: an image that shares a group
with one of an external set is not trained on.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cxr.errors import UserError
from cxr.schema.dataset import EXTERNAL, HELD_OUT, SPLITS
from cxr.schema.labels import LABELS
from cxr.schema.report import MovedFile, NamedGroups
from dataset_script.duplicates.policy import CONFLICT, resolve_clusters
from dataset_script.records import Refusal, Row, short

WEIGHTS = {"train": 70, "validation": 15, "test": 15}
_MAX_SEEDS_TRIED, _MAX_GROUPS_FOR_TRIALS = 100, 2000

SHARES_WITH_HELD_OUT = "shares its patient or its pixels with an image of a predefined held-out split"
SHARES_WITH_EXTERNAL = "shares its patient or its pixels with an external set"


@dataclass(frozen=True)
class Division:
    """What becomes of every row.

    `splits` holds each row's split, `external`, or None where it leaves; `refusals` says why those leave. `groups`
    names files for the report, under `duplicates`, `conflicts` and `straddling`.
    """

    splits: list[str | None]
    refusals: list[Refusal]
    groups: dict[str, NamedGroups]


def divide(rows: Sequence[Row], clusters: Sequence[Sequence[int]], seed: int, mode: str) -> Division:
    """Decide the split of every row; `clusters` holds positions of near-duplicates, `mode` what to do with them.

    Raises:
        UserError: if a class is missing, from the whole or from a split.
    """
    resolution = resolve_clusters(clusters, rows, mode)
    conflicts = {position for position, reason in resolution.leaving.items() if reason == CONFLICT}
    clear = [position for position in range(len(rows)) if position not in conflicts]
    check_classes(
        [rows[position].label for position in clear if rows[position].predefined != EXTERNAL],
        [_refusal(rows[position], CONFLICT) for position in conflicts],
    )
    cluster_of = {position: number for number, cluster in enumerate(clusters) for position in cluster}
    clear_rows = [rows[position] for position in clear]
    assignment = assign_splits(clear_rows, [cluster_of.get(position) for position in clear], seed)
    splits: list[str | None] = [None] * len(rows)
    for position, split in zip(clear, assignment.splits, strict=True):
        splits[position] = split
    straddling = [[clear[index] for index in group] for group in assignment.straddling]
    leaving = resolution.leaving | _leaving_straddled(straddling, rows, splits)
    for position in leaving:
        splits[position] = None
    groups = {"duplicates": resolution.duplicates, "conflicts": resolution.conflicts, "straddling": straddling}
    return Division(
        splits,
        [_refusal(rows[position], reason) for position, reason in sorted(leaving.items())],
        {key: [[rows[position].name for position in group] for group in listed] for key, listed in groups.items()},
    )


def _leaving_straddled(
    straddling: Iterable[Sequence[int]], rows: Sequence[Row], splits: Sequence[str | None]
) -> dict[int, str]:
    """Why the rows without a split leave their groups, which held-out splits or external sets share."""
    leaving: dict[int, str] = {}
    for group in straddling:
        is_shared = any(rows[position].predefined == EXTERNAL for position in group)
        reason = SHARES_WITH_EXTERNAL if is_shared else SHARES_WITH_HELD_OUT
        leaving |= {position: reason for position in group if splits[position] is None}
    return leaving


def _refusal(row: Row, reason: str) -> Refusal:
    return Refusal(row.source, row.file, reason)


@dataclass
class Assignment:
    """A split for every row, None for those that leave; `straddling` lists the groups that they leave."""

    splits: list[str | None]
    straddling: list[list[int]] = field(default_factory=list)


def assign_splits(rows: Sequence[Row], clusters: Sequence[int | None], seed: int) -> Assignment:
    """Give every row its split; `clusters` holds the number of each row's cluster of near-duplicates, if any.

    Raises:
        UserError: if a class would be absent from a split; it names a seed that works where there is one.
    """
    groups, open_splits = _Groups(rows, clusters), _open_splits(rows)
    assignment = _draw_splits(rows, groups, open_splits, seed)
    absent = _absent_class(rows, assignment)
    if absent:
        seeds = range(_MAX_SEEDS_TRIED if len(groups) <= _MAX_GROUPS_FOR_TRIALS else 0)
        trials = ((other, _draw_splits(rows, groups, open_splits, other)) for other in seeds)
        working = next((other for other, trial in trials if not _absent_class(rows, trial)), None)
        raise UserError(_absent_message(*absent, seed, working))
    return assignment


class _Groups:
    """Rows joined by patient, bytes or cluster. Iterating gives each group's positions; both are in order."""

    def __init__(self, rows: Sequence[Row], clusters: Sequence[int | None]) -> None:
        own_or_cluster = (
            row.sha256 if cluster is None else f"cluster {cluster}" for row, cluster in zip(rows, clusters, strict=True)
        )
        keys = (row.sha256 for row in rows), (row.patient for row in rows), own_or_cluster
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
    """Equal keys get equal numbers, int64 (N,). Compares 128-bit hashes: texts take ten times the memory."""
    hashes = np.frombuffer(b"".join(hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys), "V16")
    return np.unique(hashes, return_inverse=True)[1]


def _joined(*keys: np.ndarray) -> np.ndarray:
    """The number of each row's connected component, where rows that share a number in any of `keys` are joined."""
    count = len(keys[0])
    nodes = [count + place * count + key for place, key in enumerate(keys)]
    edges = np.tile(np.arange(count), len(keys)), np.concatenate(nodes)
    size = count * (1 + len(keys))
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(size, size))
    return connected_components(graph, directed=False)[1][:count]


def _open_splits(rows: Sequence[Row]) -> dict[str, set[str]]:
    """By source, the splits among which its training images and those without a split are drawn."""
    predefined = defaultdict(set)
    for row in rows:
        predefined[row.source].add(row.predefined)
    return {source: {"train"} | (set(SPLITS) - splits) for source, splits in predefined.items()}


def _draw_splits(rows: Sequence[Row], groups: _Groups, open_splits: dict[str, set[str]], seed: int) -> Assignment:
    assignment = Assignment([None] * len(rows))
    for group in groups:
        predefined = {rows[position].predefined for position in group}
        held_out = next((split for split in HELD_OUT if split in predefined), None)
        if held_out is None:
            common = set.intersection(*(open_splits[rows[position].source] for position in group))
            split = _draw_split(min(_hash(rows[position].patient) for position in group), seed, common)
            staying = group
        else:
            split, staying = held_out, [position for position in group if rows[position].predefined == held_out]
        for position in staying:
            assignment.splits[position] = split
        if len(staying) < len(group):
            assignment.straddling.append(group)
    return assignment


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _draw_split(patient: str, seed: int, among: set[str]) -> str:
    """Draw one of the splits, with their weights, by hash."""
    choices = [split for split in SPLITS if split in among]
    total = sum(WEIGHTS[split] for split in choices)
    point = int(_hash(f"{seed}:{patient}"), 16) / 2**256 * total
    for split in choices[:-1]:
        point -= WEIGHTS[split]
        if point < 0:
            return split
    return choices[-1]


def _absent_class(rows: Sequence[Row], assignment: Assignment) -> tuple[str, str] | None:
    """The first class and split that have no image in common."""
    present = {(row.label, split) for row, split in zip(rows, assignment.splits, strict=True)}
    for split in SPLITS:
        for label, name in enumerate(LABELS):
            if (label, split) not in present:
                return name, split
    return None


def _absent_message(label: str, split: str, seed: int, working: int | None) -> str:
    message = f"no {label} image falls into the {split} split with --seed {seed}: add more {label} patients"
    if working is None:
        return message
    return f"{message}, or use --seed {working}, with which every split has both classes"


def check_classes(labels: Sequence[int], refusals: Iterable[Refusal]) -> None:
    """Make sure that both classes are there.

    Raises:
        UserError: if not; it says what was left out.
    """
    counts, reasons = Counter(labels), Counter(refusal.reason for refusal in refusals)
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in reasons.most_common())
    for label, name in enumerate(LABELS):
        if not counts[label]:
            raise UserError(
                f"no {name} image among the {counts.total()} usable ones, and a dataset needs both classes: "
                f"add a --source that has some{left_out}"
            )


def list_moves(rows: Iterable[Row], splits: Iterable[str | None], splits_before: Mapping[int, str]) -> list[MovedFile]:
    """The images that were in another split before; `splits_before` has them by the short form of their file's hash."""
    moves: list[MovedFile] = []
    for row, split in zip(rows, splits, strict=True):
        before = splits_before.get(short(row.sha256))
        if split and split != EXTERNAL and before and before != split:
            moves.append({"file": row.name, "from": before, "to": split})
    return moves


def find_external(names: Sequence[str], layouts: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """By folder name, the collections of each `--external NAME`: one of that name, or all that a layout found.

    `layouts` gives the names of the collections by the layout that found them.

    Raises:
        UserError: if there is no such collection, or one is named twice.
    """
    collections = set().union(*layouts.values())
    external: dict[str, set[str]] = {}
    for name in dict.fromkeys(names):
        chosen = {name} if name in collections else layouts.get(name, set())
        if not chosen:
            raise UserError(f"--external {name}: no such collection; there are {', '.join(sorted(collections))}")
        if any(chosen & others for others in external.values()):
            raise UserError(f"--external {name} names a collection that another --external names too: give it once")
        external[_folder_name(name)] = chosen
    return external


def _folder_name(name: str) -> str:
    """The name as a folder's: collections of the Hub have a slash in theirs."""
    return name.replace("/", "--").lstrip(".") or EXTERNAL
