"""Patient ids as people's tables hold them: placeholders that name no patient, and one number spelt in several ways.

A placeholder taken for an id makes one patient of all images that have none, who all land in one split. Two spellings
of one id make two patients of one, who may land in different splits.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cxr.patient_key import is_stop_gap

_NUMBER = re.compile(r"(?P<whole>\d+)(\.0+)?")
_SUSPICIOUS = re.compile(r"-?(0+|1|9+)(\.0+)?")
"""Numbers that stand for "none" in many tables: 0, 000, -1, 9999."""


@dataclass
class _Seen:
    """What the images of one id state of its patient."""

    sexes: set[str] = field(default_factory=set)
    ages: list[float] = field(default_factory=list)

    def is_several(self) -> bool:
        """Whether they cannot be of one patient: two sexes, or ages more than a study's length apart."""
        return len(self.sexes) > 1 or (len(self.ages) > 1 and max(self.ages) - min(self.ages) > _YEARS)


_YEARS = 5


def find_changes(patients: Iterable[tuple[str, str, str, float | None]]) -> dict[str, dict[str, str]]:
    """By collection, what replaces patient ids: none replaces a stop-gap, the shortest spelling others of one number.

    `patients` holds collection, patient id, sex and age of every image.
    """
    spelt: dict[str, set[str]] = defaultdict(set)
    seen: dict[tuple[str, str], _Seen] = defaultdict(_Seen)
    for source, patient_id, sex, age in patients:
        if not patient_id:
            continue
        spelt[source].add(patient_id)
        if _SUSPICIOUS.fullmatch(patient_id):
            of = seen[source, patient_id]
            of.sexes |= {sex} - {""}
            of.ages += [] if age is None else [age]
    return {source: _changes(source, ids, seen) for source, ids in spelt.items()}


def _changes(source: str, ids: set[str], seen: Mapping[tuple[str, str], _Seen]) -> dict[str, str]:
    """What becomes of those ids of a collection that change."""
    real = {patient_id for patient_id in ids if not is_stop_gap(patient_id)}
    real -= {
        patient_id for patient_id in real if (source, patient_id) in seen and seen[source, patient_id].is_several()
    }
    changes = dict.fromkeys(ids - real, "")
    numbers = {patient_id: match for patient_id in real if (match := _NUMBER.fullmatch(patient_id))}
    if len(numbers) == len(real):
        spellings = defaultdict(list)
        for patient_id, match in numbers.items():
            spellings[match["whole"].lstrip("0") or "0"].append(patient_id)
        changes |= {one: number for number, several in spellings.items() if len(several) > 1 for one in several}
    return changes
