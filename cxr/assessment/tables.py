"""The tables of an assessment, as headers and rows, from `assessment.json` alone."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cxr.schema.assessment import AssessedDataset, AssessedModel, Assessment, Comparison, ModelResult
from cxr.schema.labels import LABELS
from cxr.schema.report import ProbeResult
from cxr.schema.set_summary import METRIC_NAMES
from cxr.schema.verdicts import VERDICTS
from cxr.training.reporting.card_tables import (
    HEADLINE,
    HEATMAP_COLUMNS,
    heatmap_rows,
    number,
    probe_auroc,
    probe_title,
    value_and_ends,
    with_interval,
)

Row = tuple[str | int, ...]


class Table(NamedTuple):
    """A caption, column titles, and rows."""

    caption: str
    header: tuple[str, ...]
    rows: list[Row]


def matrix(assessment: Assessment) -> Table:
    """Every model on every dataset, and the probes of the datasets beside them."""
    metrics = tuple(METRIC_NAMES[key] for key in HEADLINE)
    header = ("dataset", "scored by", "images", "COVID", "patients", *metrics, "gate passed")
    rows: list[Row] = []
    for name, dataset in assessment["datasets"].items():
        for model, result in zip(assessment["models"], dataset["results"], strict=True):
            values = [with_interval(result, key) for key in HEADLINE]
            rows.append((name, model["model_id"], *_sizes(result), *values, _gate(result)))
        rows += [_probe(name, probe) for probe in dataset["probes"] or ()]
    return Table("Every model on every dataset, beside classifiers that see no lungs", header, rows)


def of_dataset(models: Sequence[AssessedModel], dataset: AssessedDataset) -> list[Table]:
    """The tables of one dataset."""
    names, results = tuple(model["model_id"] for model in models), dataset["results"]
    metrics: list[Row] = [
        (METRIC_NAMES[key], *(with_interval(result, key) for result in results)) for key in METRIC_NAMES
    ]
    found = [
        Table("Metrics", ("", *names), metrics),
        Table("Verdicts, conformal coverage and gate, as shares of images", ("", *names), list(_verdicts(results))),
        Table("Predictive values", ("prevalence", "model", "positive", "negative"), list(_predictive(names, results))),
        Table(
            "Subgroups",
            ("subgroup", "model", "images", "COVID", "patients", *(METRIC_NAMES[key] for key in HEADLINE)),
            list(_subgroups(names, results)),
        ),
    ]
    maps = [row for name, result in zip(names, results, strict=True) for row in _maps(name, result)]
    if maps:
        found.append(Table("Heatmaps against marked opacities", ("model", *HEATMAP_COLUMNS), maps))
    if dataset["comparison"]:
        caption = f"Differences: {names[0]} minus {names[1]}"
        found.insert(1, Table(caption, ("", "difference (95 % interval)"), list(_differences(dataset["comparison"]))))
    return found


def of_models(models: Sequence[AssessedModel]) -> Table:
    """What each model is, and how its outputs were read."""
    header = ("model", "revision", "architecture", "labels", "read as COVID", "threshold", "computed by")
    rows: list[Row] = [
        (
            model["model_id"],
            model["revision"],
            model["architecture"],
            _listed(model["labels"]),
            f"{_listed(model['positive'])} ({model['interpretation']})",
            f"{model['operating_threshold']:.3f} ({model['threshold_origin']})",
            model["runtime"],
        )
        for model in models
    ]
    return Table("Models", header, rows)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:12]) + (f", … ({len(labels)} in all)" if len(labels) > 12 else "")


def _maps(name: str, result: ModelResult) -> list[Row]:
    return heatmap_rows(name, result["heatmaps"]) if result["heatmaps"] else []


def _sizes(result: ModelResult) -> tuple[int, int, int]:
    return result["n"], result["n_covid"], result["patients"]


def _gate(result: ModelResult) -> str:
    gate = result["gate"]
    return "no gate" if gate is None else f"{100 * gate['share']:.1f} % of {gate['n']}"


def _probe(dataset: str, probe: ProbeResult) -> Row:
    return (dataset, probe_title(probe), probe["images"], "", probe["patients"], probe_auroc(probe), "", "", "")


def _verdicts(results: Sequence[ModelResult]) -> Iterator[Row]:
    for verdict in VERDICTS:
        if any(verdict in result["verdicts"] for result in results):
            yield (verdict, *(f"{result['verdicts'].get(verdict, 0):.3f}" for result in results))
    for label in LABELS:
        yield (f"{label} images whose conformal set holds {label}", *(_coverage(result, label) for result in results))
    yield ("passed by the gate", *(_gate(result) for result in results))


def _coverage(result: ModelResult, label: str) -> str:
    conformal = result["conformal"]
    return "no conformal sets" if conformal is None else number(dict(conformal["coverage"])[label])  # type: ignore[index]


def _predictive(names: Sequence[str], results: Sequence[ModelResult]) -> Iterator[Row]:
    for name, result in zip(names, results, strict=True):
        for values in result["predictive_values"]:
            ends = values["intervals"]
            pair = value_and_ends(values["ppv"], ends["ppv"]), value_and_ends(values["npv"], ends["npv"])
            yield (f"{100 * values['prevalence']:.0f} %", name, *pair)


def _subgroups(names: Sequence[str], results: Sequence[ModelResult]) -> Iterator[Row]:
    for name, result in zip(names, results, strict=True):
        for group in result["subgroups"]:
            sizes = group["n"], group["n_covid"], group["patients"]
            yield (f"{group['by']}: {group['value']}", name, *sizes, *(with_interval(group, key) for key in HEADLINE))


def _differences(comparison: Comparison) -> Iterator[Row]:
    for key, difference in comparison["differences"].items():
        yield (METRIC_NAMES[key], _signed(difference["estimate"], difference["interval"]))
    delong = comparison["delong"]
    if delong:
        p_value = "" if delong["p_value"] is None else f", p = {delong['p_value']:.2g}"
        yield ("AUROC by DeLong", _signed(delong["estimate"], delong["interval"]) + p_value)


def _signed(value: float | None, ends: Sequence[float] | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:+.3f}" + (f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if ends else "")
