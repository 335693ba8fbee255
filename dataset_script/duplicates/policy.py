"""Who stays of the copies of one picture: the policy behind `--duplicates report|drop|keep`.

In every mode a cluster of copies ends up in one split, external sets included; what differs is who leaves:

| | copies of one label | both labels in one cluster |
|---|---|---|
| `drop` (default) | the best copy stays, the others leave | all leave |
| `keep` | all stay, unless some are held out | all leave |
| `report` | all stay, unless some are held out | all stay, unless some are held out; the conflict is listed |

Held out are copies of an external source, and those that their collection itself put into test or validation. They
outrank training copies, because a benchmark must stay comparable: external, then test, then validation, then the
rest. Where a cluster has copies of several ranks, only those of the highest may stay, in every mode; two external
sets may both keep theirs under `keep` and `report`, since nothing is trained on either.

The best copy is the one of highest rank, then the largest before any resize, then of the format that loses least,
then the first by name. Annotations are not weighed: nothing measures them reliably.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cxr.schema.dataset import EXTERNAL, HELD_OUT

DROP, KEEP, REPORT = MODES = ("drop", "keep", "report")

COPY = "is a copy of a picture that stays"
CONFLICT = "has a copy with the other label"
STRADDLES = "is a copy of a picture of a held-out set"

_LOSSY = {"JPEG": 2, "WEBP": 1, "GIF": 1}


@dataclass(frozen=True)
class Copy:
    """What the policy asks of a picture.

    `name` is `source/file`; `split` is `EXTERNAL`, its collection's own split, or None. `width` and `height` are the
    raw picture's, `format` is the file format as the reader names it.
    """

    name: str
    label: int
    split: str | None
    width: int
    height: int
    format: str


@dataclass
class Resolution:
    """Which pictures leave and why, and which must share a split.

    `groups` are those that stay of each cluster, where two or more do and none is external; `duplicates` are the
    clusters of one label and `conflicts` those of both, whole, as they were found.
    """

    leaving: dict[int, str] = field(default_factory=dict)
    groups: list[list[int]] = field(default_factory=list)
    duplicates: list[list[int]] = field(default_factory=list)
    conflicts: list[list[int]] = field(default_factory=list)


def resolve(clusters: Iterable[Sequence[int]], copies: Mapping[int, Copy] | Sequence[Copy], mode: str) -> Resolution:
    """Decide who of each cluster (indices into `copies`) stays, in one of `MODES`.

    The best copy stands first in every list of `Resolution`.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}")
    result = Resolution()
    for cluster in clusters:
        ordered = sorted(cluster, key=lambda index: _preference(copies[index]))
        conflict = len({copies[index].label for index in ordered}) > 1
        (result.conflicts if conflict else result.duplicates).append(ordered)
        leaving = _leaving(ordered, copies, mode, conflict)
        result.leaving |= leaving
        staying = [index for index in ordered if index not in leaving]
        if len(staying) > 1 and copies[staying[0]].split != EXTERNAL:
            result.groups.append(staying)
    return result


def _leaving(
    ordered: Sequence[int], copies: Mapping[int, Copy] | Sequence[Copy], mode: str, conflict: bool
) -> dict[int, str]:
    if conflict and mode != REPORT:
        return dict.fromkeys(ordered, CONFLICT)
    if mode == DROP:
        return dict.fromkeys(ordered[1:], COPY)
    highest = _rank(copies[ordered[0]])
    return {index: STRADDLES for index in ordered if _rank(copies[index]) != highest}


def _rank(copy: Copy) -> int:
    """0 for the copies that stay before all others."""
    return HELD_OUT.index(copy.split) if copy.split in HELD_OUT else len(HELD_OUT)


def _preference(copy: Copy) -> tuple[int, int, int, str]:
    """Sorts the best copy first."""
    return _rank(copy), -copy.width * copy.height, _LOSSY.get(copy.format, 0), copy.name
