"""Which pictures stay, and in which split: conflicts and copies out, groups whole, old pictures where they were."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cxr.cli import UserError
from cxr.labels import LABELS
from dataset_script.record import Refusal
from dataset_script.rows import Row
from dataset_script.splits import EXTERNAL, assign

CONFLICT = "has a copy with the other label"
STRADDLES = "shares its patient or its pixels with a picture of a predefined held-out split"
SHARED = "shares its patient or its pixels with an external set"
COPY = "is a copy of a picture that stays"
MODES = ("drop", "keep", "report")


@dataclass
class Division:
    """Why pictures leave, and the groups of names that the report lists; the rows' `split` says who stays."""

    refusals: list[Refusal] = field(default_factory=list)
    lists: dict[str, list[list[str]]] = field(default_factory=dict)


def divide(rows: Sequence[Row], clusters: Sequence[Sequence[int]], seed: int, mode: str) -> Division:
    """Set every row's `split` (None: it leaves) and `cluster`.

    Raises:
        UserError: if a class is missing, from the whole or from a split.
    """
    for number, cluster in enumerate(clusters):
        for index in cluster:
            rows[index].cluster = number
    conflicts = [cluster for cluster in clusters if len({rows[index].label for index in cluster}) > 1]
    reasons = {} if mode == "report" else {index: CONFLICT for cluster in conflicts for index in cluster}
    clear = [index for index in range(len(rows)) if index not in reasons]
    training = [rows[index].label for index in clear if rows[index].predefined != EXTERNAL]
    check_classes(training, [Refusal(rows[i].source, rows[i].file, reason) for i, reason in reasons.items()])
    found = assign([rows[index] for index in clear], seed)
    for index, split in zip(clear, found.splits, strict=True):
        rows[index].split = split
    straddling = [[clear[index] for index in group] for group in found.straddling]
    for group in straddling:
        reason = SHARED if any(rows[index].predefined == EXTERNAL for index in group) else STRADDLES
        reasons |= {index: reason for index in group if rows[index].split is None}
    if mode == "drop":
        reasons |= dict.fromkeys(_worse_copies(rows, clusters), COPY)
    for index in reasons:
        rows[index].split = None
    groups = {"duplicates": clusters, "conflicts": conflicts, "straddling": straddling}
    return Division(
        [Refusal(rows[index].source, rows[index].file, reason) for index, reason in sorted(reasons.items())],
        {name: [[rows[index].name for index in group] for group in listed] for name, listed in groups.items()},
    )


def _worse_copies(rows: Sequence[Row], clusters: Sequence[Sequence[int]]) -> list[int]:
    """All but the best copy of every cluster, in each dataset that it stands in."""
    worse = []
    for cluster in clusters:
        by_place = defaultdict(list)
        for index in cluster:
            if rows[index].split:
                by_place[rows[index].source if rows[index].split == EXTERNAL else ""].append(index)
        for staying in by_place.values():
            worse += sorted(staying, key=lambda index: _goodness(rows[index]), reverse=True)[1:]
    return worse


def _goodness(row: Row) -> tuple:
    """More pixels, then a file that was not compressed at a loss, then more known of the patient, then any order."""
    known = row.is_known_patient + bool(row.view) + bool(row.sex) + (row.age is not None)
    return row.width * row.height, row.format in ("DICOM", "PNG", "TIFF", "BMP"), known, row.sha256, row.name


def check_classes(labels: Sequence[int], refusals: Sequence[Refusal]) -> None:
    """Make sure that both classes are there.

    Raises:
        UserError: if not; it says what was left out.
    """
    reasons = Counter(refusal.reason for refusal in refusals)
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in reasons.most_common())
    for label, name in enumerate(LABELS):
        if label not in labels:
            raise UserError(
                f"no {name} picture among the {len(labels)} usable ones, and a dataset needs both classes: "
                f"add a --source that has some{left_out}"
            )


def moves(rows: Sequence[Row], before: dict[str, str]) -> list[dict[str, str]]:
    """The pictures that stood in another split `before` (by the hash of their file)."""
    return [
        {"file": row.name, "from": before[row.sha256], "to": row.split}
        for row in rows
        if row.split and before.get(row.sha256, row.split) != row.split
    ]
