"""Which of several near-duplicates stay: the policy behind `--duplicates report|drop|keep`.

In every mode the images of a cluster that stay end up in one split, external sets included; the modes differ in who
leaves:

| | near-duplicates with one label | both labels in one cluster |
|---|---|---|
| `drop` (default) | the best one stays, the others leave | all leave |
| `keep` | all stay, unless some are held out | all leave |
| `report` | all stay, unless some are held out | all stay, unless some are held out; the conflict is listed |

Held out are the images of an external set, and those that their collection itself put into test or validation. They
take precedence over training images, because a benchmark must stay comparable: external, then test, then validation,
then the rest. Of a cluster with several of these ranks only the images of the highest one may stay, in every mode. Two
external sets may both keep theirs under `keep` and `report`, since neither is trained on.

The best image is the one of highest rank, then the largest before any resizing, then the one in the format that loses
least, then the first by name. Annotations are not considered: nothing measures them reliably.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cxr.schema.dataset import HELD_OUT
from dataset_script.records import Row

DROP, KEEP, REPORT = MODES = ("drop", "keep", "report")

DUPLICATE = "is a near-duplicate of an image that stays"
CONFLICT = "has a near-duplicate with the other label"
DUPLICATE_OF_HELD_OUT = "is a near-duplicate of an image of a held-out set"

_LOSSY = {"JPEG": 2, "WEBP": 1, "GIF": 1}


@dataclass
class Resolution:
    """Who leaves, and the clusters as they were found: those of one label, and those of both.

    `leaving` gives the reason by position; every cluster lists its best image first.
    """

    leaving: dict[int, str] = field(default_factory=dict)
    duplicates: list[list[int]] = field(default_factory=list)
    conflicts: list[list[int]] = field(default_factory=list)


def resolve_clusters(clusters: Iterable[Sequence[int]], rows: Sequence[Row], mode: str) -> Resolution:
    """Decide who stays of each cluster of positions in `rows`, in one of `MODES`.

    Of a row, only label, size, format, name and predefined split are considered.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}")
    resolution = Resolution()
    for cluster in clusters:
        best_first = sorted(cluster, key=lambda position: _preference(rows[position]))
        if len({rows[position].label for position in best_first}) > 1:
            resolution.conflicts.append(best_first)
            is_refused = mode != REPORT
        else:
            resolution.duplicates.append(best_first)
            is_refused = False
        if is_refused:
            resolution.leaving |= dict.fromkeys(best_first, CONFLICT)
        else:
            resolution.leaving |= _leaving(best_first, rows, mode)
    return resolution


def _leaving(best_first: Sequence[int], rows: Sequence[Row], mode: str) -> dict[int, str]:
    if mode == DROP:
        return dict.fromkeys(best_first[1:], DUPLICATE)
    highest = _rank(rows[best_first[0]])
    return {position: DUPLICATE_OF_HELD_OUT for position in best_first if _rank(rows[position]) != highest}


def _rank(row: Row) -> int:
    """0 for the images that stay before all others."""
    return HELD_OUT.index(row.predefined) if row.predefined in HELD_OUT else len(HELD_OUT)


def _preference(row: Row) -> tuple[int, int, int, str]:
    """Sorts the best image first."""
    return _rank(row), -row.width * row.height, _LOSSY.get(row.format, 0), row.name
