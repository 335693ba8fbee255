"""Which images stay, and in which split: conflicts and near-duplicates leave, and groups are never divided."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cxr.errors import UserError
from cxr.schema.dataset import EXTERNAL
from cxr.schema.labels import LABELS
from cxr.schema.report import MovedFile, NamedGroups
from dataset_script.duplicates.policy import CONFLICT, resolve_clusters
from dataset_script.records import Refusal, Row, short
from dataset_script.splits.assignment import assign_splits

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
        (rows[position].label for position in clear if rows[position].predefined != EXTERNAL),
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


def check_classes(labels: Iterable[int], refusals: Iterable[Refusal]) -> None:
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
