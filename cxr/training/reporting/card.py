"""The model card: written from `metrics.json` and `dataset_report.json` by fixed rules, never typed.

Its sections follow CLAIM 2024 (doi 10.1148/ryai.240300) and TRIPOD+AI (doi 10.1136/bmj-2023-078378). The template is
`model_card.md`; a field without a value fails the run.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined, UndefinedError

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError
from cxr.schema.metrics import METRIC_NAMES
from cxr.training.reporting import card_tables, card_words

UNNAMED = "path/to/this/folder"
"""What a card calls the model before it has an id; its publication puts the id there."""

TEMPLATE = Path(__file__).resolve().parents[3] / "model_card.md"
_CAPTIONS = {
    "training": {"training_curves": "Loss and accuracy of training and validation per epoch"},
    "results": {
        "roc": "ROC curves with 95 % bands",
        "precision_recall": "Precision-recall curves with 95 % bands",
        "confusion_matrix": "Confusion matrices at the operating threshold",
    },
    "subgroups": {"score_histograms": "Histograms of the probability of COVID by source and class"},
    "calibration": {"reliability": "Reliability diagrams: probability against the share that is COVID"},
}
"""A section's figures: the file's name without its suffix, and its alternative text."""


def write_card(folder: Path, repo_id: str | None = None) -> None:
    """Write `README.md` from the facts in `folder`; `repo_id` is where the card will say it can be loaded from.

    Raises:
        UserError: if a facts file is missing or was written by another version of the project.
        jinja2.UndefinedError: if the template asks for a value that the facts do not hold.
    """
    facts, report = _facts(folder, "metrics.json"), _facts(folder, "dataset_report.json")
    environment = Environment(undefined=StrictUndefined, finalize=_filled, trim_blocks=True)
    environment.filters["number"] = card_tables.number
    environment.filters["round_number"] = "{:g}".format
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    body = template.render(_context(folder, facts, report, repo_id))
    (folder / "README.md").write_text(f"---\n{_front_matter(facts)}\n---\n\n{body}\n", encoding="utf-8")


def headline(folder: Path) -> str:
    """What the terminal says of a finished run: the judgement, the test result, and how many seeds stand behind it."""
    facts, report = _facts(folder, "metrics.json"), _facts(folder, "dataset_report.json")
    lines = [
        f"{name} (n = {scores['n']}): "
        + ", ".join(f"{METRIC_NAMES[key]} {card_tables.with_interval(scores, key)}" for key in card_tables.HEADLINE)
        for name, scores in card_tables.scored(facts).items()
    ]
    return "\n".join([*lines, card_words.seeds(facts), card_words.judgement(facts, report)])


def _filled(value: object) -> object:
    """What jinja prints; None and an empty text are fields without a value."""
    if value is None:
        raise UndefinedError("a field of the card has no value")
    return value


def _context(folder: Path, facts: Mapping, report: Mapping, repo_id: str | None) -> dict:
    return {
        **{key: facts[key] for key in ("operating_threshold", "target_sensitivity", "model", "dataset", "training")},
        **card_words.all_words(facts, report),
        "audit": _audit(report),
        "tables": card_tables.all_tables(facts, report),
        "figures": {section: _figures(folder, files) for section, files in _CAPTIONS.items()},
        "repo_id": repo_id or UNNAMED,
    }


def _audit(report: Mapping) -> str:
    if "audit" not in report:
        return "The dataset was not audited for shortcuts: how much of the label its borders give away is unknown."
    return f"The dataset's audit: {report['audit']['verdict']}"


def _figures(folder: Path, captions: Mapping[str, str]) -> str:
    """A section's figures, those that the run drew: a curve takes both classes."""
    drawn = {name: text for name, text in captions.items() if (folder / "figures" / f"{name}.png").is_file()}
    return "\n".join(f"![{text}](figures/{name}.png)" for name, text in drawn.items())


def _front_matter(facts: Mapping) -> str:
    model, dataset = facts["model"], facts["dataset"]
    results = _eval_results(dataset, dataset["name"], facts["test"])
    for name, scores in facts["external"].items():
        results += _eval_results(scores["dataset"], f"{name} (external)", scores)
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="image-classification",
        base_model=None if model["random_weights"] or model["backbone_revision"] == "local" else model["backbone"],
        datasets=[dataset["name"]] if dataset["revision"] else None,
        tags=["medical", "chest-x-ray", "covid-19", *(["synthetic"] if dataset["synthetic"] else [])],
        model_name=card_words.title(facts),
        eval_results=results,
    ).to_yaml()


def _eval_results(dataset: Mapping, name: str, scores: Mapping) -> list[EvalResult]:
    """The `model-index` entries of one dataset's test split; a metric that is undefined there is left out."""
    return [
        EvalResult(
            task_type="image-classification",
            dataset_type=dataset["name"] if dataset["revision"] else "folder",
            dataset_name=name,
            dataset_split="test",
            dataset_revision=dataset["revision"] or dataset["fingerprint"],
            metric_type=key,
            metric_name=METRIC_NAMES[key],
            metric_value=scores[key],
        )
        for key in METRIC_NAMES
        if scores[key] is not None
    ]


def _facts(folder: Path, name: str) -> dict:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{folder} holds no {name}: name the `model/` folder of a finished run") from error
    except ValueError as error:
        raise UserError(f"{folder / name} is no JSON: take it from the run anew") from error


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Write a card anew from the files of a finished run."""
    parser = OneLineErrors(prog="python -m cxr.training.card", description="Write README.md anew from a run's facts.")
    parser.add_argument("folder", type=Path, help="the `model/` folder of a finished run")
    parser.add_argument("--repo_id", help="USER/NAME that the card says it can be loaded from")
    arguments = parser.parse_args(argv)
    write_card(arguments.folder, arguments.repo_id)
    print(arguments.folder / "README.md")
