"""Ages and views that part the classes: what a model may learn in place of the disease, said in sentences."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr.schema.labels import COVID, LABELS, NON_COVID

FEWEST = 20
"""Pictures of a class with a known value before its share means anything."""

_SHARE, _YEARS, _ADULT = 0.3, 10, 18


def between_classes(rows: pa.Table) -> list[str]:
    """A sentence for each striking difference: in views, in age, in children, in what is recorded at all."""
    covid = rows["label"].to_numpy() == COVID
    age = rows["age"].to_numpy().astype(float)
    ap, pa_view = (_starts_with(rows["view"], view) for view in ("AP", "PA"))
    everyone, viewed, aged = np.ones(len(covid), bool), ap | pa_view, ~np.isnan(age)
    found = [
        _share(covid, viewed, ap, "with a known view ", "are AP, as taken at a bedside"),
        _share(covid, aged, age < _ADULT, "with a known age ", "show children"),
        _median_age(age[aged & covid], age[aged & ~covid]),
        _share(covid, everyone, viewed, "", "have a known view"),
        _share(covid, everyone, aged, "", "have a known age"),
    ]
    return [sentence for sentence in found if sentence]


def _starts_with(column: pa.ChunkedArray, prefix: str) -> np.ndarray:
    return pc.fill_null(pc.starts_with(column, prefix), False).to_numpy()


def _share(covid: np.ndarray, among: np.ndarray, holds: np.ndarray, which: str, what: str) -> str | None:
    """The sentence, if the shares for which it holds lie far apart between the classes; all bool (N,)."""
    ours, others = holds[among & covid], holds[among & ~covid]
    if min(len(ours), len(others)) < FEWEST or abs(ours.mean() - others.mean()) < _SHARE:
        return None
    share, other = (f"{100 * part.mean():.0f} %" for part in (ours, others))
    return f"Of the {LABELS[COVID]} pictures {which}{share} {what}, of the {LABELS[NON_COVID]} ones {other}."


def _median_age(ours: np.ndarray, others: np.ndarray) -> str | None:
    if min(len(ours), len(others)) < FEWEST or abs(np.median(ours) - np.median(others)) < _YEARS:
        return None
    ages = f"{np.median(ours):.0f} years in {LABELS[COVID]} and {np.median(others):.0f} in {LABELS[NON_COVID]}"
    return f"The median age is {ages} pictures."
