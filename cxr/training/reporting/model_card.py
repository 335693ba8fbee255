"""The model card: generated from `metrics.json` and `dataset_report.json` by fixed rules, never typed by hand.

Its sections follow CLAIM 2024 (doi 10.1148/ryai.240300) and TRIPOD+AI (doi 10.1136/bmj-2023-078378). Its sentences are
in the template `model_card.md`; a field without a value fails the run.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined, UndefinedError

from cxr.errors import UserError
from cxr.markdown import escape
from cxr.network import heatmap_quality
from cxr.schema.dataset import Split
from cxr.schema.gate import GateShare
from cxr.schema.labels import LABELS
from cxr.schema.metrics import Metrics
from cxr.schema.model_repo import CARD, DATASET_REPORT, METRICS
from cxr.schema.report import Report
from cxr.schema.set_summary import METRIC_NAMES, DatasetId, GroupSummary, MetricName, SplitSummary
from cxr.schema.verdicts import DISCLAIMER
from cxr.training.reporting.card_tables import HEADLINE, all_tables, number, tested_sets, with_interval
from cxr.training.reporting.judgement import judgement

UNNAMED = "path/to/this/folder"
"""What a card calls the model before it has an id; publishing replaces it with the id."""

TEMPLATE = Path(__file__).with_name("model_card.md")


def read_facts(folder: Path) -> tuple[Metrics, Report]:
    """`metrics.json` and `dataset_report.json` of a finished model folder.

    The judgement is made anew from the numbers, for a model that an earlier version of this project described.

    Raises:
        UserError: if one of them is missing or is not JSON.
    """
    metrics, report = _read_json(folder, METRICS), _read_json(folder, DATASET_REPORT)
    return metrics | {"judgement": judgement(metrics, report)}, report


def _read_json(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{folder} has no {name}: name the `model/` folder of a finished run") from error
    except ValueError as error:
        raise UserError(f"{folder / name} is not valid JSON: copy it from the run again") from error


def write_card(folder: Path, metrics: Metrics, report: Report, repo_id: str | None = None) -> None:
    """Write `README.md` into a model folder; `repo_id` is where the card says that the model can be loaded from.

    Raises:
        jinja2.UndefinedError: if the template asks for a value that is missing or None.
    """
    environment = Environment(undefined=StrictUndefined, finalize=_require_value, trim_blocks=True)
    environment.filters |= {"number": number, "percent": _percent, "thousands": "{:,}".format, "shares": _shares}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    body = template.render(_context(folder, metrics, report), repo_id=repo_id or UNNAMED)
    draft = folder / ".README.draft"
    try:
        draft.write_text(f"---\n{_front_matter(metrics)}\n---\n\n{body}\n", encoding="utf-8")
        draft.replace(folder / CARD)  # an earlier card stays whole where there is no room for this one
    finally:
        draft.unlink(missing_ok=True)


def headline(metrics: Metrics) -> str:
    """The result in a few lines: the headline metrics of each tested set, the number of seeds, the judgement."""
    lines = [
        f"{name} (n = {scores['n']}): "
        + ", ".join(f"{METRIC_NAMES[key]} {with_interval(scores, key)}" for key in HEADLINE)
        for name, scores in tested_sets(metrics).items()
    ]
    return "\n".join([*lines, _seeds(metrics), metrics["judgement"]])


def _require_value(value: Any) -> Any:
    """What jinja prints; None is a field without a value."""
    if value is None:
        raise UndefinedError("a field of the card has no value")
    return value


def _context(folder: Path, metrics: Metrics, report: Report) -> dict[str, Any]:
    """What the template can use: the facts themselves, tables and figures, and what takes more than formatting."""

    def figure(name: str, description: str) -> str:
        """The image, if the run drew it: ROC and precision-recall curves need both classes."""
        return f"![{description}](figures/{name}.png)" if (folder / "figures" / f"{name}.png").is_file() else ""

    gate, tested = metrics["gate"], tested_sets(metrics)
    measured = heatmap_quality.measured_sets(metrics.get("heatmaps"))
    return {
        **metrics,
        "report": report,
        "title": _title(metrics),
        "disclaimer": DISCLAIMER,
        "seeds_sentence": _seeds(metrics),
        "tables": all_tables(metrics, report),
        "figure": figure,
        "tested_sets": tested,
        "adapted_to": escape(metrics["adaptation"]["name"]) if "adaptation" in metrics else "",
        "adaptation": metrics.get("adaptation"),
        "differences": [escape(text) for text in report.get("audit", {}).get("differences", ())],
        "exclusions": _exclusions(report["refused"]["reasons"]),
        "never_excluded": [name for name in LABELS if metrics["conformal"]["quantiles"][name] >= 1],
        "gate_passed": {name: gate["passed"][name] for name in ("validation", "test")} | gate["passed"]["external"],
        "heatmaps_in_words": escape(heatmap_quality.in_words(measured)),
        "heatmaps_are_shown": heatmap_quality.may_be_shown(measured),
        "failures": [_failures(name, scores) for name, scores in tested.items()],
    }


def _title(metrics: Metrics) -> str:
    kind = "synthetic chest X-rays" if metrics["dataset"]["synthetic"] else "chest X-rays"
    return f"COVID-19 or not from {kind}: {metrics['model']['architecture']}"


def _seeds(metrics: Metrics) -> str:
    """How many seeds were trained, and how far their results are apart."""
    trained = metrics["seeds"]
    if not trained or len(trained["values"]) < 2:
        return "Only one seed was trained, so the variation between seeds is unknown."
    mean, deviation = trained["mean"], trained["sd"]
    spread = [f"{_plus_minus(mean['test'], deviation['test'])} on its own test split"]
    spread += [
        f"{_plus_minus(mean['external'][name], deviation['external'][name])} on {name}" for name in mean["external"]
    ]
    return (
        f"{len(trained['values'])} seeds were trained; seed {trained['published']} was chosen on validation and "
        f"published. AUROC, mean ± standard deviation over the seeds: {', '.join(spread)}."
    )


def _plus_minus(mean: Mapping[MetricName, float | None], deviation: Mapping[MetricName, float | None]) -> str:
    return f"{number(mean['auroc'])} ± {number(deviation['auroc'])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _shares(parts: Mapping[str, GateShare]) -> str:
    """ "99.1 % of validation (n = 229), …" from `share` and `n` of each part."""
    return ", ".join(f"{100 * part['share']:.1f} % of {name} (n = {part['n']})" for name, part in parts.items())


def _exclusions(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{count:,} files: {escape(reason)}" for reason, count in reasons.items()) or "nothing"


def _failures(name: str, scores: SplitSummary) -> str:
    covid, others = scores["n_covid"], scores["n"] - scores["n_covid"]
    missed, false_alarms = _errors(scores["sensitivity"], covid), _errors(scores["specificity"], others)
    return (
        f"{name}: {missed:,} of {covid:,} COVID images were missed, and {false_alarms:,} of {others:,} other images "
        f"were called COVID{_worst_subgroup(scores)}."
    )


def _errors(rate: float | None, count: int) -> int:
    return 0 if rate is None else round((1 - rate) * count)


def _worst_subgroup(scores: SplitSummary) -> str:
    """The subgroup of ten images or more with the lowest accuracy, if that lies below the interval of the whole set."""
    interval = scores["intervals"]["accuracy"]
    large = [(group["accuracy"], group) for group in scores["subgroups"] if group["n"] >= 10]
    measured = [(accuracy, group) for accuracy, group in large if accuracy is not None]
    if not measured or interval is None:
        return ""
    lowest, worst = min(measured, key=lambda pair: pair[0])
    if lowest >= interval[0]:
        return ""
    accuracy = with_interval(worst, "accuracy")
    return f"; accuracy is lowest for {worst['by']} {escape(worst['value'])}, at {accuracy}, n = {worst['n']}"


def _front_matter(metrics: Metrics) -> str:
    dataset = metrics["dataset"]
    adapted = metrics.get("adaptation")
    results = eval_results(
        adapted["dataset"] if adapted else dataset, adapted["name"] if adapted else dataset["name"], metrics["test"]
    )
    for name, scores in metrics["external"].items():
        results += eval_results(scores["dataset"], f"{name} (external)", scores)
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="image-classification",
        base_model=_base_model(metrics),
        datasets=[dataset["name"]] if dataset["revision"] else None,
        tags=["medical", "chest-x-ray", "covid-19", *(["synthetic"] if dataset["synthetic"] else [])],
        model_name=_title(metrics),
        eval_results=results,
    ).to_yaml()


def _base_model(metrics: Metrics) -> str | None:
    """The repo on the Hub whose weights this model started from, if there is one."""
    adapted, model = metrics.get("adaptation"), metrics["model"]
    if adapted:
        return None if adapted["revision"] == "local" else adapted["model_id"]
    return None if model["random_weights"] or model["backbone_revision"] == "local" else model["backbone"]


def eval_results(dataset: DatasetId, name: str, scores: GroupSummary, split: Split = "test") -> list[EvalResult]:
    """The `model-index` entries of one split of a dataset, without metrics that are undefined there."""
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=dataset["name"] if dataset["revision"] else "folder",
            dataset_name=name,
            dataset_split=split,
            dataset_revision=dataset["revision"] or dataset["fingerprint"],
            metric_type=key,
            metric_name=METRIC_NAMES[key],
            metric_value=scores[key],
        )
        for key in METRIC_NAMES
        if scores[key] is not None
    ]
