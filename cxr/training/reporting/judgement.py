"""The sentence of judgement: what a run's numbers, taken together, say about what the model has learned.

A score on the test split of its own data says little while something that never saw a lung scores as high, or while
another hospital's pictures score lower (DeGrave et al. 2021, doi 10.1038/s42256-021-00338-7). So the inside number
never stands alone: outside numbers and the dataset's probes are put beside it and weighed by fixed rules, the same
for every run.

    judge(metrics["test"], metrics["external"], report.get("audit"))
    "0.97 inside, 0.65 outside (ieee8023), 0.89 from the border alone: this model reads the source, …"
"""

from collections.abc import Mapping, Sequence

from cxr.schema.probes import PROBES

FALL = 0.05
"""By how much AUROC must fall from inside to outside to be called a fall, where intervals do not explain it."""

SMALL = 0.15
"""An interval this wide on one side of its AUROC leaves open too much to call a result one thing or the other."""

_TELLING = ("border", "border_in_view", "lungs_blacked_out", "file", "source")
"""The probes in the order in which one of them is quoted: first what a network can see, then what it can infer."""


def judge(test: Mapping, external: Mapping[str, Mapping], audit: Mapping | None) -> str:
    """Weigh a test split's summary, the summaries of external sets, and the audit section of the dataset's report.

    Summaries hold `auroc` (None where a class is absent) and `intervals` (`auroc`: low and high, or None).
    """
    loud = _loudest(audit)
    quoted = [f"{_number(test['auroc'])} inside"]
    quoted += [f"{_number(scores['auroc'])} outside ({name})" for name, scores in external.items()]
    quoted += [f"{probe['auroc']:.2f} from {PROBES[probe['name']].short}"] if (probe := loud) else []
    return f"{', '.join(quoted)}: {_meaning(test, list(external.values()), audit, loud)}."


def _loudest(audit: Mapping | None) -> Mapping | None:
    """The first probe that shouts, in the order of `_TELLING`."""
    loud = {probe["name"]: probe for probe in (audit or {}).get("probes", ()) if probe["shouts"]}
    return next((loud[name] for name in _TELLING if name in loud), None)


def _meaning(test: Mapping, outside: Sequence[Mapping], audit: Mapping | None, loud: Mapping | None) -> str:
    scored = [scores for scores in outside if scores["auroc"] is not None]
    if test["auroc"] is None:
        return "the test split holds one class only, so nothing can be said"
    if _is_chance(test):
        return "inside it cannot be told from chance"
    if loud:
        return _where_the_label_leaks(test, scored, loud)
    unknown = "" if audit else "; whether the label leaks past the lungs was not audited"
    if not scored:
        return f"no other hospital's pictures stand against it, so how it carries over is unknown{unknown}"
    if any(_falls(test, scores) for scores in scored):
        return f"it does not carry over to other pictures, for a reason that no probe shows{unknown}"
    if any(_is_vague(scores) for scores in scored):
        return f"too few outside pictures to say whether it carries over{unknown}"
    return f"no probe explains it and it holds outside as well{unknown}"


def _where_the_label_leaks(test: Mapping, outside: Sequence[Mapping], loud: Mapping) -> str:
    means = f"the label can be had from {PROBES[loud['name']].short}"
    if any(_falls(test, scores) for scores in outside):
        return "this model reads the source, such as its marks and borders, rather than the lung"
    if not outside:
        return f"{means}, so the inside number is no evidence that this model reads lungs"
    if any(_is_vague(scores) for scores in outside):
        return f"{means}, and too few outside pictures say whether this model does without"
    return f"{means}, yet this model holds outside"


def _falls(test: Mapping, outside: Mapping) -> bool:
    """By more than `FALL`, and further than the interval of the one or the other reaches."""
    low, _ = test["intervals"]["auroc"] or (0.0, 1.0)
    _, high = outside["intervals"]["auroc"] or (0.0, 1.0)
    beyond = outside["auroc"] < low or high < test["auroc"]
    return beyond and outside["auroc"] < test["auroc"] - FALL


def _is_vague(scores: Mapping) -> bool:
    interval = scores["intervals"]["auroc"]
    return interval is None or scores["auroc"] - interval[0] > SMALL


def _is_chance(scores: Mapping) -> bool:
    interval = scores["intervals"]["auroc"]
    return interval is not None and interval[0] <= 0.5


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
