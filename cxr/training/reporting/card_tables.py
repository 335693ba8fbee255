"""The tables of the model card, in Markdown, from `metrics.json` and the dataset's report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cxr.schema.dataset import SPLITS
from cxr.schema.labels import LABELS
from cxr.schema.metrics import METRIC_NAMES
from cxr.schema.probes import PROBES

HEADLINE = ("auroc", "sensitivity", "specificity")
"""The metrics that stand in the card's first table."""


def number(value: float | None, digits: int = 3) -> str:
    """A metric as the card prints it; None where a class is absent."""
    return "undefined" if value is None else f"{value:.{digits}f}"


def with_interval(scores: Mapping, key: str) -> str:
    """A metric and the ends of its interval: "0.962 (0.940–0.981)"."""
    ends = scores["intervals"].get(key)
    return number(scores[key]) + (f" ({ends[0]:.3f}–{ends[1]:.3f})" if ends else "")


def scored(facts: Mapping) -> dict[str, Mapping]:
    """What the model was scored on besides validation: its own test split, and each external set."""
    return {"test split of its own data": facts["test"]} | {
        f"external: {name}": scores for name, scores in facts["external"].items()
    }


def all_tables(facts: Mapping, report: Mapping) -> dict[str, str]:
    """Every table by the name that the template calls it by."""
    return {
        "headline": _headline(facts, report),
        "sources": _sources(report["counts"]),
        "people": _people(report),
        "results": _results(facts),
        "predictive_values": _predictive_values(facts),
        "subgroups": _subgroups(facts),
        "verdicts": _verdicts(facts),
    }


def _headline(facts: Mapping, report: Mapping) -> str:
    rows = [(name, *_sizes(scores), *_headline_metrics(scores)) for name, scores in scored(facts).items()]
    rows += [_probe_row(probe) for probe in report.get("audit", {}).get("probes", ())]
    return table(("", "images", "COVID", "patients", "AUROC", *HEADLINE[1:]), rows)


def _probe_row(probe: Mapping) -> tuple:
    what = f"a small classifier shown {PROBES[probe['name']].short}"
    ends = f" ({probe['low']:.3f}–{probe['high']:.3f})" if probe["auroc"] is not None else ""
    auroc = "not tested" if probe["auroc"] is None else number(probe["auroc"]) + ends
    return (what, probe["images"], "", probe["patients"], auroc, "", "")


def _sources(counts: Mapping) -> str:
    rows = (
        (source, label, *(splits.get(split, 0) for split in SPLITS))
        for source, labels in counts.items()
        for label, splits in labels.items()
    )
    return table(("source", "class", *SPLITS), rows)


def _people(report: Mapping) -> str:
    """Ages, sexes and views by class, as far as the collections tell them."""
    return table(
        ("class", "age, years: median (quartiles), known of all", "sex", "view"),
        [
            (name, _ages(report["ages"][name]), *(_shares(report[key].get(name, {})) for key in ("sexes", "views")))
            for name in LABELS
        ],
    )


def _ages(ages: Mapping) -> str:
    count = f"{ages['known']} of {ages['known'] + ages['unknown']}"
    if not ages["known"]:
        return f"{count} known"
    low, median, high = ages["quartiles"]
    return f"{median:.0f} ({low:.0f}–{high:.0f}), {count}"


def _shares(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value or 'unknown'} {count}" for value, count in sorted(values.items())) or "unknown"


def _results(facts: Mapping) -> str:
    sets = {"validation": facts["validation"]} | scored(facts)
    rows = [
        (what, *(scores[key] for scores in sets.values()))
        for what, key in (("images", "n"), ("of them COVID", "n_covid"), ("patients", "patients"))
    ]
    rows += [(name, *(with_interval(scores, key) for scores in sets.values())) for key, name in METRIC_NAMES.items()]
    return table(("", *sets), rows)


def _sizes(scores: Mapping) -> tuple[int, int, int]:
    return scores["n"], scores["n_covid"], scores["patients"]


def _headline_metrics(scores: Mapping) -> list[str]:
    return [with_interval(scores, key) for key in HEADLINE]


def _predictive_values(facts: Mapping) -> str:
    return table(
        ("scored on", "prevalence", "positive predictive value", "negative predictive value"),
        (
            (name, f"{100 * values['prevalence']:.0f} %", with_interval(values, "ppv"), with_interval(values, "npv"))
            for name, scores in scored(facts).items()
            for values in scores["predictive_values"]
        ),
    )


def _subgroups(facts: Mapping) -> str:
    rows = (
        (name, f"{group['by'].replace('_', ' ')}: {group['value']}", *_sizes(group), *_headline_metrics(group))
        for name, scores in scored(facts).items()
        for group in scores["subgroups"]
    )
    return table(("scored on", "subgroup", "images", "COVID", "patients", "AUROC", *HEADLINE[1:]), rows)


def _verdicts(facts: Mapping) -> str:
    sets = {"validation": facts["validation"]} | scored(facts)
    verdicts = list(dict.fromkeys(verdict for scores in sets.values() for verdict in scores["verdicts"]))
    rows = [
        (verdict, *(f"{scores['verdicts'].get(verdict, 0):.3f}" for scores in sets.values())) for verdict in verdicts
    ]
    for name in LABELS:
        covered = (scores["conformal"]["coverage"].get(name) for scores in sets.values())
        rows.append((f"share of {name} whose set holds its class", *map(number, covered)))
    return table(("share of images", *sets), rows)


def table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A Markdown table; a bar in a cell is escaped."""
    return "\n".join(_lines(header, rows))


def _lines(header: Sequence[str], rows: Iterable[Sequence]) -> Iterator[str]:
    yield _line(header)
    yield "|" + "---|" * len(header)
    yield from map(_line, rows)


def _line(cells: Sequence) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
