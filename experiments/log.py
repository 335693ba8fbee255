"""The log of all trials, in Markdown, from their scores: what was tried, what it did outside, and what was chosen."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cxr.statistics import bootstrap
from experiments.interventions import MEANS
from experiments.trial import Budget, Pictures

BASELINE = "baseline"
_HEAD = """# Closing the gap between inside and outside: every trial

A ResNet-50 from random weights is trained on `manifest.csv` (in which every COVID-19 picture comes from one collection
and every other picture from another) and asked about `ieee8023`, whose patients and copies training never saw. One mean
is tried at a time, with the same budget ({epochs} epochs at {size} px, batch 32) and the same seeds ({seeds}). The
outside set is halved by patient: {choose} pictures ({choose_negative} of them NON-COVID) to choose by, and {report}
({report_negative}) that are read for the baseline and for what was chosen, and for nothing else.

```
{command}
```

AUROC is the mean over the seeds, "inside" that of the test split. Intervals are 95 %, from a bootstrap over patients;
that of the difference is paired. A mean becomes the default if the lower end of its difference is above 0.

| trial | what it changes | inside | outside, choosing part | difference from the baseline | minutes a seed |
|---|---|---|---|---|---|
"""


class Difference(NamedTuple):
    """By how much a trial's AUROC exceeds the baseline's, with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def write(records: Sequence[dict], parts: dict[str, Pictures], budget: Budget, command: str) -> str:
    """The log's text. A record holds `mean`, `seed`, `seconds` and the scores of each part as lists.

    The part `report` is read for the baseline and the chosen mean alone.
    """
    by_mean = defaultdict(list)
    for record in sorted(records, key=lambda record: (record["mean"], record["seed"])):
        by_mean[record["mean"]].append(record)
    base, choose = by_mean[BASELINE], parts["choose"]
    found = {name: difference(runs, base, "choose", choose) for name, runs in by_mean.items() if name != BASELINE}
    rows = [_row(name, by_mean[name], found.get(name), parts) for name in MEANS if name in by_mean]
    return _head(base, parts, budget, command) + "\n".join(rows) + "\n\n" + _verdict(by_mean, found, parts["report"])


def difference(runs: Sequence[dict], base: Sequence[dict], part: str, pictures: Pictures) -> Difference:
    """The mean over shared seeds of the difference in AUROC on one part, its interval from a paired bootstrap.

    Patients are drawn, and each draw scores both trials, so that what is hard for both does not widen the interval.
    """
    before = {run["seed"]: run for run in base}
    pairs = [(run, before[run["seed"]]) for run in runs if run["seed"] in before]

    def gain(weights: np.ndarray) -> np.ndarray:
        return np.mean(
            [_auroc(run, part, pictures, weights) - _auroc(old, part, pictures, weights) for run, old in pairs], 0
        )

    drawn = np.concatenate([gain(weights) for weights in bootstrap.resample_weights(pictures.patients)])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Difference(float(gain(np.ones((1, len(pictures.labels))))[0]), float(low), float(high))


def _auroc(run: dict, part: str, pictures: Pictures, weights: np.ndarray) -> np.ndarray:
    return bootstrap.auroc_statistic(np.array(run[part]), pictures.labels)(weights)


def outside(runs: Sequence[dict], part: str, pictures: Pictures) -> bootstrap.Interval:
    """The mean AUROC over the seeds on one part, with its interval over patients."""

    def mean(weights: np.ndarray) -> np.ndarray:
        return np.mean([_auroc(run, part, pictures, weights) for run in runs], axis=0)

    chosen, patients = pictures.labels == 0, pictures.patients
    fewer = min(bootstrap.count_patients(chosen, patients), bootstrap.count_patients(~chosen, patients))
    return bootstrap.interval(mean, patients, trials=fewer)


def _head(base: Sequence[dict], parts: dict[str, Pictures], budget: Budget, command: str) -> str:
    sizes = {part: len(parts[part].labels) for part in ("choose", "report")}
    negative = {f"{part}_negative": int((parts[part].labels == 0).sum()) for part in sizes}
    seeds = ", ".join(str(run["seed"]) for run in base)
    return _HEAD.format(epochs=budget.epochs, size=budget.size, seeds=seeds, command=command, **sizes, **negative)


def _row(name: str, runs: Sequence[dict], gain: Difference | None, parts: dict[str, Pictures]) -> str:
    ones = np.ones((1, len(parts["test"].labels)))
    inside = np.array([_auroc(run, "test", parts["test"], ones)[0] for run in runs])
    choose = outside(runs, "choose", parts["choose"])
    minutes = np.mean([run["seconds"] for run in runs]) / 60
    versus = f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})" if gain else ""
    scored = f"{inside.mean():.3f} | {choose.estimate:.3f} ({choose.low:.3f}–{choose.high:.3f})"
    return f"| `{name}` | {MEANS[name].what} | {scored} | {versus} | {minutes:.1f} |"


def _verdict(by_mean: dict[str, list[dict]], found: dict[str, Difference], report: Pictures) -> str:
    before = outside(by_mean[BASELINE], "report", report)
    start = f"On the part that nothing was chosen by, the baseline's AUROC is {_said(before)}"
    sure = [name for name, gain in found.items() if gain.low > 0]
    if not sure:
        return f"{start}. No mean helps beyond its interval, so the default stays as it was.\n"
    best = max(sure, key=lambda name: found[name].mean)
    after, gain = (
        outside(by_mean[best], "report", report),
        difference(by_mean[best], by_mean[BASELINE], "report", report),
    )
    return (
        f"{start}, and with `{best}`, the mean that helps most beyond its interval, {_said(after)}: "
        f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}).\n"
    )


def _said(value: bootstrap.Interval) -> str:
    return f"{value.estimate:.3f} ({value.low:.3f}–{value.high:.3f})"
