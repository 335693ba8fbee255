"""The log of all trials in Markdown, from their scores: what was tried, how it scored, and what was selected."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cxr import markdown
from cxr.schema.labels import NON_COVID
from experiments import paired
from experiments.interventions import BASELINE, INTERVENTIONS
from experiments.paired import Difference, Pair
from experiments.trial import Budget, Images, Margins

_HEAD = """# Closing the gap between internal and external performance: every trial

A ResNet-50 is trained from random weights on {inside} ({train:,} images), and evaluated on {outside}, which shares no
patient and no near-duplicate with them. One intervention is tried at a time, with the same budget ({epochs} epochs at
{size} px, batch 32) and the same seeds as the baseline. The external set is divided by patient into a selection half of
{choose} images ({choose_negative} of them NON-COVID), on which every intervention is compared with the baseline, and a
reporting half of {report} images ({report_negative}), on which only the baseline and the selected intervention are
evaluated.

```
{command}
```

AUROC is the mean over the seeds; "internal" is that of the test split. Intervals are 95 % intervals from a bootstrap
over patients, paired for differences. An intervention becomes the default if the interval of its difference from the
baseline lies above 0; half the width of an interval is about the smallest difference that the selection half can show.

"""
_COLUMNS = (
    "trial",
    "what it changes",
    "internal",
    "external, selection half",
    "difference from the baseline",
    "minutes per seed",
    "seeds",
)


@dataclass(frozen=True)
class Record:
    """What an intervention scored with one seed, and the seconds that its training run took."""

    intervention: str
    seed: int
    seconds: float
    margins: Margins


def write(records: Sequence[Record], parts: Mapping[str, Images], budget: Budget, command: str) -> str:
    """The log's text. The part `report` is evaluated for the baseline and the selected intervention alone."""
    runs = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.intervention, record.seed)):
        runs[record.intervention].append(record)
    base, choose = runs[BASELINE], parts["choose"]
    differences = {name: difference(tried, base, "choose", choose) for name, tried in runs.items() if name != BASELINE}
    rows = [_row(name, runs[name], differences.get(name), parts) for name in INTERVENTIONS if name in runs]
    table = markdown.table(_COLUMNS, rows)
    return f"{_head(parts, budget, command)}{table}\n\n{_verdict(runs, differences, parts['report'])}\n"


def difference(runs: Sequence[Record], base: Sequence[Record], part: str, images: Images) -> Difference:
    """By how much a trial's AUROC on one part exceeds the baseline's, over the seeds that both have."""
    baseline = {run.seed: run for run in base}
    pairs = [(run.margins[part], baseline[run.seed].margins[part]) for run in runs if run.seed in baseline]
    tried, before = zip(*pairs, strict=True)
    return paired.difference(Pair(tried, before, images.sample))


def _interval(runs: Sequence[Record], part: str, images: Images) -> str:
    return paired.shown(paired.interval([run.margins[part] for run in runs], images.sample))


def _head(parts: Mapping[str, Images], budget: Budget, command: str) -> str:
    sizes = {part: len(parts[part]) for part in ("train", "choose", "report")}
    negative = {f"{part}_negative": int((parts[part].labels == NON_COVID).sum()) for part in ("choose", "report")}
    names = {"inside": _sources(parts["train"]), "outside": _sources(parts["choose"])}
    return _HEAD.format(epochs=budget.epochs, size=budget.size, command=command, **names, **sizes, **negative)


def _sources(images: Images) -> str:
    """The names of the collections, the largest first."""
    counts = Counter(images.sources)
    return ", ".join(f"`{name}`" for name, _ in counts.most_common())


def _row(name: str, runs: Sequence[Record], gain: Difference | None, parts: Mapping[str, Images]) -> list[str]:
    internal = paired.mean_auroc([run.margins["test"] for run in runs], parts["test"].sample)
    external = _interval(runs, "choose", parts["choose"])
    minutes = np.mean([run.seconds for run in runs]) / 60
    description = markdown.Markdown(INTERVENTIONS[name].description)
    code = markdown.Markdown(f"`{name}`")
    seeds = ", ".join(str(run.seed) for run in runs)
    return [code, description, f"{internal:.3f}", external, "" if gain is None else str(gain), f"{minutes:.1f}", seeds]


def _verdict(runs: Mapping[str, Sequence[Record]], differences: Mapping[str, Difference], report: Images) -> str:
    before = _interval(runs[BASELINE], "report", report)
    start = f"On the half not used for selection, the baseline's AUROC is {before}"
    improving = [name for name, gain in differences.items() if gain.low > 0]
    if not improving:
        finding = "No intervention improves on the baseline with a 95 % interval that excludes zero"
        return f"{start}. {finding}, so the default is unchanged."
    best = max(improving, key=lambda name: differences[name].mean)
    after = _interval(runs[best], "report", report)
    gain = difference(runs[best], runs[BASELINE], "report", report)
    finding = "the intervention with the largest improvement whose 95 % interval excludes zero"
    return f"{start}, and {after} with `{best}`, {finding}: {gain}."
