"""The tables of the model card, in Markdown, from `metrics.json` and the dataset's report."""

from collections.abc import Iterator, Mapping
from typing import get_args

from cxr.markdown import table
from cxr.network.heatmap_quality import measured_sets
from cxr.schema.dataset import SPLITS, Split
from cxr.schema.heatmaps import HeatmapSummary, HeatmapWay, Localization
from cxr.schema.labels import LABELS, Label
from cxr.schema.metrics import Metrics
from cxr.schema.probes import PROBES
from cxr.schema.report import Ages, ProbeResult, Report, label_rows
from cxr.schema.set_summary import METRIC_NAMES, GroupSummary, MetricName, PredictiveValues, SplitSummary

HEADLINE: tuple[MetricName, ...] = ("auroc", "sensitivity", "specificity")
"""The metrics in the card's first table."""

HEATMAP_COLUMNS = ("images", "patients", "what points", "pointing game", "evidence inside")

_MAX_LABEL_VALUES = 40


def number(value: float | None, digits: int = 3) -> str:
    """A metric as the card prints it; None where a class is absent."""
    return "undefined" if value is None else f"{value:.{digits}f}"


def with_interval(scores: GroupSummary, key: MetricName) -> str:
    """A metric and the ends of its interval: "0.962 (0.940–0.981)"."""
    return value_and_ends(scores[key], scores["intervals"][key])


def value_and_ends(value: float | None, ends: list[float] | None) -> str:
    """A value and the ends of its interval, if it has one."""
    return number(value) + (f" ({ends[0]:.3f}–{ends[1]:.3f})" if ends else "")


def tested_sets(metrics: Metrics) -> dict[str, SplitSummary]:
    """The sets that had no part in any choice, by their names in the card: its own test split, and external ones.

    The test split of an adapted model is that of the dataset to which it was adapted.
    """
    adapted = metrics.get("adaptation")
    return {f"test split of {adapted['name']}" if adapted else "own test split": metrics["test"]} | {
        f"external: {name}": scores for name, scores in metrics["external"].items()
    }


def all_tables(metrics: Metrics, report: Report) -> dict[str, str]:
    """Every table, by its name in the template."""
    return {
        "headline": _headline(metrics, report),
        "adaptation": _adaptation(metrics),
        "sources": _sources(report["counts"]),
        "standards": _standards(report),
        "labels": _labels(report),
        "patients": _patients(report),
        "results": _results(metrics),
        "predictive_values": _predictive_values(metrics),
        "subgroups": _subgroups(metrics),
        "verdicts": _verdicts(metrics),
        "heatmaps": _heatmaps(metrics),
    }


def _heatmaps(metrics: Metrics) -> str:
    """Where heatmaps point on each set on which they were measured; empty without any."""
    rows = [row for name, found in measured_sets(metrics.get("heatmaps")).items() for row in heatmap_rows(name, found)]
    return table(("evaluated on", *HEATMAP_COLUMNS), rows) if rows else ""


def heatmap_rows(name: str, found: HeatmapSummary) -> list[tuple[str | int, ...]]:
    """A row, of `name` and `HEATMAP_COLUMNS`, for maps and for each thing that they are compared with."""
    ways: tuple[HeatmapWay, ...] = get_args(HeatmapWay)
    return [(name, found["n"], found["patients"], way.replace("_", " "), *_localization(found[way])) for way in ways]


def _localization(values: Localization) -> tuple[str, str]:
    ends = values["intervals"]
    return (
        value_and_ends(values["pointing_game"], ends["pointing_game"]),
        value_and_ends(values["evidence_inside"], ends["evidence_inside"]),
    )


def _adaptation(metrics: Metrics) -> str:
    """An adapted model before and after, on the same test images; empty for any other."""
    adapted = metrics.get("adaptation")
    if adapted is None:
        return ""
    before, after = adapted["before"], metrics["test"]
    rows = [(name, with_interval(before, key), with_interval(after, key)) for key, name in METRIC_NAMES.items()]
    rows.append(("operating threshold", number(before["operating_threshold"]), number(metrics["operating_threshold"])))
    for label in LABELS:
        kept = "none" if before["coverage"] is None else number(before["coverage"].get(label))
        title = f"{label} images whose conformal set holds {label}"
        rows.append((title, kept, number(after["conformal"]["coverage"].get(label))))
    passed = "no gate" if before["gate"] is None else number(before["gate"]["share"])
    rows.append(("X-rays that the gate passes", passed, number(metrics["gate"]["passed"]["test"]["share"])))
    return table(("", "before", "after"), rows)


def _headline(metrics: Metrics, report: Report) -> str:
    rows = [(name, *_sizes(scores), *_headline_metrics(scores)) for name, scores in tested_sets(metrics).items()]
    adapted = metrics.get("adaptation")
    audit = adapted["audit"] if adapted else report.get("audit")
    rows += [_probe_row(probe) for probe in (audit["probes"] if audit else ())]
    return table(("", "images", "COVID", "patients", "AUROC", *HEADLINE[1:]), rows)


def _probe_row(probe: ProbeResult) -> tuple[str | int, ...]:
    return (probe_title(probe), probe["images"], "", probe["patients"], probe_auroc(probe), "", "")


def probe_title(probe: ProbeResult) -> str:
    """What tables call a probe of the audit."""
    return f"a small classifier shown {PROBES[probe['name']].short}"


def probe_auroc(probe: ProbeResult) -> str:
    """Its AUROC with the ends of its interval."""
    auroc, low, high = probe["auroc"], probe["low"], probe["high"]
    return "not tested" if auroc is None or low is None or high is None else value_and_ends(auroc, [low, high])


def _sources(counts: Mapping[str, Mapping[Label, Mapping[Split, int]]]) -> str:
    rows = [
        (source, label, *(splits.get(split, 0) for split in SPLITS))
        for source, labels in counts.items()
        for label, splits in labels.items()
    ]
    return table(("source", "class", *SPLITS), rows)


def _standards(report: Report) -> str:
    """What the labels rest on; empty for a dataset of an earlier version, which does not say."""
    rows = [
        (source, standard or "not known", count)
        for source, standards in report.get("reference_standards", {}).items()
        for standard, count in standards.items()
    ]
    return table(("collection", "reference standard", "images"), rows) if rows else ""


def _labels(report: Report) -> str:
    """The most frequent values of the collections' labels and how they were read; empty as above."""
    rows = label_rows(report)
    shown = table(("collection", "value", "read as", "images"), rows[:_MAX_LABEL_VALUES]) if rows else ""
    more = len(rows) - _MAX_LABEL_VALUES
    return f"{shown}\n\n{more:,} rarer values are listed in `dataset_report.json`." if more > 0 else shown


def _patients(report: Report) -> str:
    """Ages, sexes and views by class, as far as the collections state them."""
    return table(
        ("class", "age in years: median (quartiles), number known", "sex", "view"),
        [
            (name, _ages(report["ages"][name]), *(_counts(report[key].get(name, {})) for key in ("sexes", "views")))
            for name in LABELS
        ],
    )


def _ages(ages: Ages) -> str:
    count = f"{ages['known']} of {ages['known'] + ages['unknown']}"
    if not ages["known"]:
        return f"{count} known"
    low, median, high = ages["quartiles"]
    return f"{median:.0f} ({low:.0f}–{high:.0f}), {count}"


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value or 'unknown'} {count}" for value, count in sorted(values.items())) or "unknown"


def _results(metrics: Metrics) -> str:
    sets = {"validation": metrics["validation"]} | tested_sets(metrics)
    sizes = zip(*(_sizes(scores) for scores in sets.values()), strict=True)
    rows: list[tuple[str | int, ...]] = [
        (name, *of_sets) for name, of_sets in zip(("images", "COVID images", "patients"), sizes, strict=True)
    ]
    rows += [(name, *(with_interval(scores, key) for scores in sets.values())) for key, name in METRIC_NAMES.items()]
    return table(("", *sets), rows)


def _sizes(scores: GroupSummary) -> tuple[int, int, int]:
    return scores["n"], scores["n_covid"], scores["patients"]


def _headline_metrics(scores: GroupSummary) -> list[str]:
    return [with_interval(scores, key) for key in HEADLINE]


def _predictive_values(metrics: Metrics) -> str:
    return table(
        ("evaluated on", "prevalence", "positive predictive value", "negative predictive value"),
        [
            (name, f"{100 * values['prevalence']:.0f} %", *_predictive_pair(values))
            for name, scores in tested_sets(metrics).items()
            for values in scores["predictive_values"]
        ],
    )


def _predictive_pair(values: PredictiveValues) -> tuple[str, str]:
    ends = values["intervals"]
    return value_and_ends(values["ppv"], ends["ppv"]), value_and_ends(values["npv"], ends["npv"])


def _subgroups(metrics: Metrics) -> str:
    rows = [
        (name, f"{group['by']}: {group['value']}", *_sizes(group), *_headline_metrics(group))
        for name, scores in tested_sets(metrics).items()
        for group in scores["subgroups"]
    ]
    return table(("evaluated on", "subgroup", "images", "COVID", "patients", "AUROC", *HEADLINE[1:]), rows)


def _verdicts(metrics: Metrics) -> str:
    sets = {"validation": metrics["validation"]} | tested_sets(metrics)
    return table(("fraction of images", *sets), [*_verdict_rows(list(sets.values()))])


def _verdict_rows(sets: list[SplitSummary]) -> Iterator[tuple[str, ...]]:
    for verdict in dict.fromkeys(verdict for scores in sets for verdict in scores["verdicts"]):
        yield (verdict, *(f"{scores['verdicts'].get(verdict, 0):.3f}" for scores in sets))
    for name in LABELS:
        yield (
            f"{name} images whose conformal set holds {name}",
            *(number(scores["conformal"]["coverage"].get(name)) for scores in sets),
        )
