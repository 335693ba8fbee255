"""Which pictures stay, and in which split: conflicts and copies out, groups whole, old pictures where they were."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from cxr.errors import UserError
from cxr.schema.dataset import EXTERNAL
from cxr.schema.labels import LABELS
from dataset_script.duplicates import policy
from dataset_script.records import Refusal, Row, short
from dataset_script.splits.assignment import assign

STRADDLES = "shares its patient or its pixels with a picture of a predefined held-out split"
SHARED = "shares its patient or its pixels with an external set"


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
    resolved = policy.resolve(clusters, {index: _copy(rows[index]) for index in chain(*clusters)}, mode)
    reasons = {index: reason for index, reason in resolved.leaving.items() if reason == policy.CONFLICT}
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
    reasons = resolved.leaving | reasons
    for index in reasons:
        rows[index].split = None
    groups = {"duplicates": resolved.duplicates, "conflicts": resolved.conflicts, "straddling": straddling}
    return Division(
        [Refusal(rows[index].source, rows[index].file, reason) for index, reason in sorted(reasons.items())],
        {name: [[rows[index].name for index in group] for group in listed] for name, listed in groups.items()},
    )


def _copy(row: Row) -> policy.Copy:
    return policy.Copy(row.name, row.label, row.predefined, row.width, row.height, row.format)


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


def moves(rows: Sequence[Row], before: Mapping[int, str]) -> list[dict[str, str]]:
    """The pictures that stood in another split `before`, by the short form of their files' hashes."""
    known = ((row, before.get(short(row.sha256))) for row in rows)
    return [
        {"file": row.name, "from": old, "to": row.split}
        for row, old in known
        if row.split and old not in (None, row.split)
    ]
