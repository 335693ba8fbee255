"""`assessment.md` and `assessment.html`: the same sections, tables and figures of an assessment for a reader.

The page holds its plots and needs no other file and no other host. It shows plots alone, never a radiograph.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from cxr.assessment import tables
from cxr.assessment.tables import Table
from cxr.markdown import escape, table
from cxr.schema.assessment import AssessedDataset, AssessedModel, Assessment

MARKDOWN, PAGE, JSON = "assessment.md", "assessment.html", "assessment.json"
FIGURES = "figures"

_CAPTIONS = {
    "roc": "ROC curves with 95 % bands; dots: operating points",
    "precision_recall": "Precision-recall curves with 95 % bands",
    "reliability": "Reliability: predicted probability against the observed fraction of COVID",
    "confusion_matrix": "Confusion matrices at the operating threshold",
    "score_histograms": "Probability of COVID by source and class",
}


class Plot(NamedTuple):
    """A figure's file and its caption."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    paragraphs: Sequence[str] = field(default_factory=tuple)
    tables: Sequence[Table] = field(default_factory=tuple)
    plots: Sequence[Plot] = field(default_factory=tuple)


def write_report(folder: Path, assessment: Assessment) -> None:
    """Write both files into `folder`, which holds the figures."""
    title = f"Assessment of {' and '.join(model['model_id'] for model in assessment['models'])}"
    sections = list(_sections(folder, assessment))
    (folder / MARKDOWN).write_text(_markdown(folder, title, assessment, sections), encoding="utf-8")
    (folder / PAGE).write_text(_page(title, assessment, sections), encoding="utf-8")


def _markdown(folder: Path, title: str, assessment: Assessment, sections: Sequence[Section]) -> str:
    parts = [f"# {escape(title)}", f"**{assessment['disclaimer']}**"]
    for section in sections:
        parts += [f"## {escape(section.title)}", *map(escape, section.paragraphs)]
        for one in section.tables:
            parts += [f"**{escape(one.caption)}**", table(one.header, one.rows)]
        parts += [f"![{plot.caption}]({plot.path.relative_to(folder).as_posix()})" for plot in section.plots]
    return "\n\n".join(parts) + "\n"


def _page(title: str, assessment: Assessment, sections: Sequence[Section]) -> str:
    environment = Environment(
        loader=PackageLoader("cxr.assessment", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    template = environment.get_template("page.html")
    return template.render(title=title, disclaimer=assessment["disclaimer"], sections=sections) + "\n"


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _sections(folder: Path, assessment: Assessment) -> Iterator[Section]:
    models, datasets = assessment["models"], assessment["datasets"]
    yield Section("Summary", _judgements(assessment), [tables.matrix(assessment)])
    for name, dataset in datasets.items():
        title = f"{name}, {assessment['split']} split"
        yield Section(title, remarks(models, dataset), tables.of_dataset(models, dataset))
    for number, model in enumerate(models):
        plots = _plots(figure_folder(folder, number))
        if plots:
            yield Section(f"Figures: {model['model_id']}", plots=plots)
    if (folder / FIGURES / "comparison.png").is_file():
        both = Plot(folder / FIGURES / "comparison.png", "ROC curves of both models with 95 % bands")
        yield Section("Figures: both models", plots=[both])
    yield Section("How this was measured", _methods(assessment), [tables.of_models(models)])


def figure_folder(folder: Path, number: int) -> Path:
    """Where the figures of the first model (0) or the second (1) are."""
    return folder / FIGURES / ("model" if number == 0 else "model2")


def _plots(folder: Path) -> list[Plot]:
    plots = [Plot(folder / f"{name}.png", caption) for name, caption in _CAPTIONS.items()]
    return [plot for plot in plots if plot.path.is_file()]


def _judgements(assessment: Assessment) -> list[str]:
    several = len(assessment["models"]) > 1
    return [
        f"{model['model_id']}: {result['judgement']}" if several else result["judgement"]
        for dataset in assessment["datasets"].values()
        for model, result in zip(assessment["models"], dataset["results"], strict=True)
    ]


def remarks(models: Sequence[AssessedModel], dataset: AssessedDataset) -> list[str]:
    """What must be known beside the figures of a dataset: which it is, what it shares, and what limits them."""
    identity = dataset["dataset"]
    revision = f" at revision {identity['revision']}" if identity["revision"] else ""
    remarks = [f"Dataset {identity['name']}{revision}, fingerprint {identity['fingerprint']}."]
    for model, result in zip(models, dataset["results"], strict=True):
        remarks.append(f"Training data of {model['model_id']}: {result['training_overlap']['statement']}.")
        remarks += [f"Note: {note}." for note in result["notes"]]
    if dataset["probes"] is None:
        remarks.append("The dataset was not audited: how well its labels can be guessed without the lungs is unknown.")
    comparison = dataset["comparison"]
    if comparison and comparison["delong"] is None:
        remarks.append("DeLong's test needs one image for each patient and both classes: it is left out here.")
    return remarks


def _methods(assessment: Assessment) -> list[str]:
    packages = ", ".join(f"{name} {version}" for name, version in assessment["environment"].items())
    return [
        "In parentheses: 95 % intervals from a bootstrap over patients. Differences between models are paired: both "
        "are measured on the same resamples of patients. Nothing was chosen on these images.",
        "Every number is computed as in the training runs of this project. An expected calibration error is above 0 "
        "even for a perfect model, the more so the fewer images there are.",
        packages,
    ]
