"""The sentence of judgement: what a run's numbers, taken together, say about what the model has learned.

A high score on its own test split says little while a classifier that never sees the lungs scores as high, or while the
score drops on images of another hospital (DeGrave et al. 2021, doi 10.1038/s42256-021-00338-7). So that number never
stands alone: the external scores and the dataset's probes are put beside it and weighed by fixed rules, the same for
every run.

    judge(metrics["test"], metrics["external"], report.get("audit"))
    "AUROC 0.97 on its own test split, 0.65 on ieee8023, 0.89 for a small classifier shown the border alone: …"
"""

from collections.abc import Mapping, Sequence

from cxr.schema.metrics import Metrics
from cxr.schema.probes import PROBES
from cxr.schema.report import Audit, ProbeResult, Report
from cxr.schema.set_summary import GroupSummary

DROP = 0.05
"""By how much AUROC must fall on external data to count as a drop, beyond what the intervals explain."""

WIDE = 0.15
"""If the AUROC's interval reaches this far down, there are too few images to draw a conclusion."""

PHANTOMS = "All images are synthetic phantoms, so this says nothing about patients."

_BY_EVIDENCE = ("border", "border_in_view", "lungs_blacked_out", "file", "source")
"""The order in which a flagged probe is quoted: first what a network can see, then what it can only infer."""


def judgement(metrics: Metrics, report: Report) -> str:
    """The sentence for a run's `metrics.json` and its dataset's report."""
    adapted = metrics.get("adaptation")
    if adapted:
        sentence = judge_elsewhere(f"{adapted['name']}, to which it was adapted", metrics["test"], adapted["audit"])
    else:
        sentence = judge(metrics["test"], metrics["external"], report.get("audit"))
    is_synthetic = adapted["synthetic"] if adapted else metrics["dataset"]["synthetic"]
    return f"{sentence} {PHANTOMS}" if is_synthetic else sentence


def judge(test: GroupSummary, external: Mapping[str, GroupSummary], audit: Audit | None) -> str:
    """Weigh the scores of the test split, those of external sets, and the audit of the dataset.

    Of a summary only `auroc` and its interval are used.
    """
    probe = _flagged_probe(audit)
    numbers = [f"AUROC {_number(test['auroc'])} on its own test split"]
    numbers += [f"{_number(scores['auroc'])} on {name}" for name, scores in external.items()]
    if probe:
        numbers.append(f"{_number(probe['auroc'])} for a small classifier shown {PROBES[probe['name']].short}")
    return f"{', '.join(numbers)}{_meaning(test, list(external.values()), probe, audit)}."


def judge_elsewhere(name: str, scores: GroupSummary, audit: Audit | None) -> str:
    """Weigh the score of a model on a dataset that it does not come from, and the audit of that dataset."""
    probe = _flagged_probe(audit)
    numbers = f"AUROC {_number(scores['auroc'])} on {name}"
    if probe:
        numbers += f", {_number(probe['auroc'])} for a small classifier shown {PROBES[probe['name']].short}"
    return f"{numbers}{_meaning_elsewhere(scores, probe, audit is not None)}."


def _meaning_elsewhere(scores: GroupSummary, probe: ProbeResult | None, is_audited: bool) -> str:
    if scores["auroc"] is None:
        return ": it holds only one class, so nothing can be concluded"
    if _may_be_chance(scores):
        return ": the model cannot be distinguished from chance there"
    if probe:
        shortcut = f"the label can be predicted from {PROBES[probe['name']].short}"
        return f": {shortcut}, so a high score there is no evidence that the model reads lungs"
    if _is_vague(scores):
        return ": there are too few images to say how well the model performs there"
    if not is_audited:
        return "; whether the label can be predicted without the lungs was not audited"
    return ", and no probe explains the score"


def _flagged_probe(audit: Audit | None) -> ProbeResult | None:
    """The flagged probe that is the strongest evidence."""
    probes = audit["probes"] if audit else []
    flagged = {probe["name"]: probe for probe in probes if probe["shouts"]}
    return next((flagged[name] for name in _BY_EVIDENCE if name in flagged), None)


def _meaning(
    test: GroupSummary, external: Sequence[GroupSummary], probe: ProbeResult | None, audit: Audit | None
) -> str:
    scored = [scores for scores in external if scores["auroc"] is not None]
    if test["auroc"] is None:
        return ": the test split holds only one class, so nothing can be concluded"
    if _may_be_chance(test):
        return ": on its own test split it cannot be distinguished from chance"
    if probe:
        return f": {_meaning_of_a_shortcut(test, scored, probe, _tells_the_source(audit))}"
    not_audited = "" if audit else "; whether the label can be predicted without the lungs was not audited"
    if not external:
        return f"; not yet evaluated on data from another hospital{not_audited}"
    if not scored:
        return f": no external set holds both classes, so how well it generalizes is unknown{not_audited}"
    if any(_drops(test, scores) for scores in scored):
        return f": it does not generalize to external data, for a reason that no probe shows{not_audited}"
    if any(_is_vague(scores) for scores in scored):
        return f": there are too few external images to say whether it generalizes{not_audited}"
    return f": it performs as well on external data, and no probe explains its score{not_audited}"


def _tells_the_source(audit: Audit | None) -> bool:
    """Whether the collection's name or facts of the raw file tell the label."""
    return any(probe["shouts"] for probe in (audit["probes"] if audit else []) if probe["name"] in ("source", "file"))


def _meaning_of_a_shortcut(
    test: GroupSummary, external: Sequence[GroupSummary], probe: ProbeResult, tells_the_source: bool
) -> str:
    shortcut = f"the label can be predicted from {PROBES[probe['name']].short}"
    low, _ = test["intervals"]["auroc"] or (0.0, 1.0)
    goes_beyond = not tells_the_source and low > (probe["high"] or 1.0)
    if any(_drops(test, scores) for scores in external):
        if goes_beyond:
            return f"it does not generalize to external data, and {shortcut}"
        return "this model recognizes the source of an image, such as its marks and borders, rather than the disease"
    if not external and goes_beyond:
        return f"{shortcut}, but not as well; not yet evaluated on data from another hospital"
    if not external:
        return f"{shortcut}, so the score on its own test split is no evidence that this model reads lungs"
    if any(_is_vague(scores) for scores in external):
        return f"{shortcut}, and there are too few external images to say whether this model relies on that"
    return f"{shortcut}, yet this model performs as well on external data"


def _drops(test: GroupSummary, external: GroupSummary) -> bool:
    """By more than `DROP`, and beyond the interval of one of the two."""
    low, _ = test["intervals"]["auroc"] or (0.0, 1.0)
    _, high = external["intervals"]["auroc"] or (0.0, 1.0)
    own, other = test["auroc"], external["auroc"]
    if own is None or other is None:
        return False
    return (other < low or high < own) and other < own - DROP


def _is_vague(scores: GroupSummary) -> bool:
    auroc, interval = scores["auroc"], scores["intervals"]["auroc"]
    return auroc is None or interval is None or auroc - interval[0] > WIDE


def _may_be_chance(scores: GroupSummary) -> bool:
    interval = scores["intervals"]["auroc"]
    return interval is not None and interval[0] <= 0.5


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
