"""Ages and views that part the classes: what a model may learn in place of the disease, said in sentences."""

from collections.abc import Callable, Sequence

import numpy as np

from cxr.labels import COVID, LABELS, NON_COVID

FEWEST = 20
"""Pictures of a class with a known value before its share means anything."""

_SHARE, _YEARS, _ADULT = 0.3, 10, 18


def between_classes(rows: Sequence[dict]) -> list[str]:
    """A sentence for each striking difference: in views, in age, in children, in what is recorded at all."""
    by_class = [[row for row in rows if row["label"] == label] for label in (NON_COVID, COVID)]
    found = [
        _share(by_class, "with a known view", _has_view, "are AP, taken from the front as at a bedside", _is_ap),
        _share(by_class, "with a known age", _has_age, "show children", lambda row: row["age"] < _ADULT),
        _median_age(by_class),
        _share(by_class, "", lambda row: True, "have a known view", _has_view),
        _share(by_class, "", lambda row: True, "have a known age", _has_age),
    ]
    return [sentence for sentence in found if sentence]


def _has_view(row: dict) -> bool:
    return (row["view"] or "").startswith(("AP", "PA"))


def _is_ap(row: dict) -> bool:
    return (row["view"] or "").startswith("AP")


def _has_age(row: dict) -> bool:
    return row["age"] is not None


def _share(
    by_class: list[list[dict]], group: str, belongs: Callable[[dict], bool], what: str, holds: Callable[[dict], bool]
) -> str | None:
    """The sentence if the shares of pictures for which it holds, among those that belong, lie far apart."""
    groups = [[holds(row) for row in rows if belongs(row)] for rows in by_class]
    if min(map(len, groups)) < FEWEST:
        return None
    other, covid = (float(np.mean(values)) for values in groups)
    if abs(covid - other) < _SHARE:
        return None
    pictures = f"pictures {group}".rstrip()
    return f"Of the {LABELS[COVID]} {pictures}, {covid:.0%} {what}; of the {LABELS[NON_COVID]} ones, {other:.0%}."


def _median_age(by_class: list[list[dict]]) -> str | None:
    ages = [[row["age"] for row in rows if _has_age(row)] for rows in by_class]
    if min(map(len, ages)) < FEWEST:
        return None
    other, covid = (float(np.median(known)) for known in ages)
    if abs(covid - other) < _YEARS:
        return None
    return f"The median age is {covid:.0f} years in {LABELS[COVID]} and {other:.0f} in {LABELS[NON_COVID]} pictures."
