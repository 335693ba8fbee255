"""The model card and the facts it is written from: `metrics.json`, `recipe.yaml` and `dataset_report.json`.

A card is never typed: `write_card` reads nothing but those files, and a template field without a value fails the run.
"""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined
from transformers import TrainerState

from cxr.cli import OneLineErrors, UserError, door
from cxr.labels import DISCLAIMER, LABELS
from cxr.metrics import METRIC_NAMES
from cxr.training.arguments import Arguments
from cxr.training.data import SPLITS, XrayDataset

UNNAMED = "path/to/this/folder"
"""What a card calls the model before it has an id; its publication puts the id there."""

TEMPLATE = Path(__file__).resolve().parents[2] / "model_card.md"
_FIGURES = {
    "training_curves.png": "Loss and accuracy of training and validation per epoch",
    "roc.png": "ROC curve on the test split",
    "confusion_matrix.png": "Confusion matrix on the test split at the operating threshold",
}
_PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "huggingface-hub", "pillow", "numpy")


def write_facts(
    arguments: Arguments,
    dataset: XrayDataset,
    state: TrainerState,
    backbone_revision: str | None,
    seconds: float,
    summary: dict,
) -> None:
    """Write `metrics.json`, `recipe.yaml` and `dataset_report.json` (counts, no file or patient lists) for the card.

    `summary` is what `evaluation.final_evaluation` measured; `seconds` is the wall time of training alone.
    """
    folder = arguments.run.model_dir
    facts = {
        "schema_version": 1,
        **summary,
        "model": _model_facts(folder, arguments, backbone_revision),
        "dataset": _dataset_facts(dataset),
        "training": _training_facts(arguments, state, seconds),
        "environment": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    }
    _write_json(folder / "metrics.json", facts)
    _write_json(folder / "dataset_report.json", {key: dataset.report[key] for key in dataset.report if key != "lists"})
    recipe = arguments.recipe()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")


def write_card(folder: Path, repo_id: str | None = None) -> None:
    """Write `README.md` from the facts in `folder`; `repo_id` is where the card will say it can be loaded from.

    Raises:
        UserError: if a facts file is missing.
        jinja2.UndefinedError: if the template asks for a value that the facts do not hold.
    """
    facts = _read_facts(folder)
    environment = Environment(undefined=StrictUndefined)
    environment.filters["number"] = _number
    body = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(_context(folder, facts, repo_id))
    (folder / "README.md").write_text(f"---\n{_front_matter(facts)}\n---\n\n{body}\n", encoding="utf-8")


def headline(folder: Path) -> str:
    """One line for the terminal: the test result with its caveat."""
    facts = _read_facts(folder)
    test = facts["test"]
    parts = [f"{METRIC_NAMES[key]} {_number(test[key])}" for key in METRIC_NAMES]
    return f"test split (n = {test['n']}): {', '.join(parts)}. {_judgement(facts)}"


def _model_facts(folder: Path, arguments: Arguments, backbone_revision: str | None) -> dict:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    resnet50 = config["depths"] == [3, 4, 6, 3] and config["layer_type"] == "bottleneck"
    settings = arguments.model
    return {
        "architecture": "ResNet-50" if resnet50 else f"ResNet with stages of {config['depths']}",
        "backbone": None if settings.from_scratch else arguments.recipe()["backbone"],
        "backbone_revision": backbone_revision,
        "random_weights": config["random_weights"],
        "frozen_backbone": settings.freeze_backbone,
        "input_size": settings.input_size,
    }


def _dataset_facts(dataset: XrayDataset) -> dict:
    report = dataset.report
    return {
        "name": dataset.name,
        "revision": dataset.revision,
        "fingerprint": report["fingerprint"],
        "image_size": report["image_size"],
        "synthetic": dataset.synthetic,
        "counts": report["counts"],
        "source_only_accuracy": source_only_accuracy(report["counts"]),
    }


def _training_facts(arguments: Arguments, state: TrainerState, seconds: float) -> dict:
    run = arguments.run
    return {
        "epochs": round(state.epoch, 2),
        "steps": state.global_step,
        "seconds": round(seconds),
        "processes": run.world_size,
        "device": run.device.type,
        "precision": "bf16" if run.bf16 else "fp16" if run.fp16 else "fp32",
        "seed": run.seed,
        "log": [{key: entry[key] for key in entry if key != "step"} for entry in state.log_history],
    }


def source_only_accuracy(counts: dict[str, dict[str, dict[str, int]]]) -> float:
    """Test accuracy of a rule that sees no picture: the class most frequent among its source's training images.

    `counts[source][label][split]` are numbers of images. A value near 1 means that the class is the source, so that a
    model can score as high without looking at a lung (DeGrave et al. 2021, doi 10.1038/s42256-021-00338-7).
    """
    right = total = 0
    for labels in counts.values():
        called = max(LABELS, key=lambda name: labels.get(name, {}).get("train", 0))
        right += labels.get(called, {}).get("test", 0)
        total += sum(splits.get("test", 0) for splits in labels.values())
    return right / total


def _context(folder: Path, facts: dict, repo_id: str | None) -> dict:
    report = json.loads((folder / "dataset_report.json").read_text(encoding="utf-8"))
    return {
        **{key: facts[key] for key in ("operating_threshold", "target_sensitivity")},
        "scored": {key: facts[key] for key in ("validation", "test")}
        | {f"external: {name}": scores for name, scores in facts["external"].items()},
        "external_sentence": _external_sentence(facts),
        **{key: facts[key] for key in ("model", "dataset", "training")},
        "title": _title(facts),
        "warning": _warning(facts),
        "judgement": _judgement(facts),
        "metric_names": METRIC_NAMES,
        "figures": [{"file": f, "alt": alt} for f, alt in _FIGURES.items() if (folder / "figures" / f).is_file()],
        "disclaimer": DISCLAIMER,
        "weights_sentence": _weights_sentence(facts),
        "start_sentence": _start_sentence(facts["model"]),
        "source_sentence": _source_sentence(facts["dataset"]),
        "audit_sentence": _audit_sentence(report),
        "copies_sentence": _copies_sentence(report),
        "count_rows": list(_count_rows(facts["dataset"]["counts"])),
        "environment_sentence": ", ".join(f"{name} {number}" for name, number in facts["environment"].items()),
        "repo_id": repo_id or UNNAMED,
    }


def _title(facts: dict) -> str:
    kind = "synthetic chest X-rays" if facts["dataset"]["synthetic"] else "chest X-rays"
    return f"COVID-19 or not from {kind}: {facts['model']['architecture']}"


def _warning(facts: dict) -> str:
    if facts["dataset"]["synthetic"]:
        return f"> **Trained on synthetic phantoms only: it knows nothing about patients.** {DISCLAIMER}"
    return f"> **{DISCLAIMER}**"


def _judgement(facts: dict) -> str:
    dataset, auroc = facts["dataset"], _number(facts["test"]["auroc"])
    if dataset["synthetic"]:
        return f"AUROC {auroc} on synthetic phantoms, which says nothing about real radiographs."
    outside = "".join(f", {_number(scores['auroc'])} on {name}" for name, scores in facts["external"].items())
    blind = dataset["source_only_accuracy"]
    if blind >= 0.9:
        return (
            f"AUROC {auroc} inside{outside}, but a rule that reads only the name of the source is right for "
            f"{_number(blind)} of the test images: the inside number may be the source, not the disease."
        )
    return (
        f"AUROC {auroc} inside{outside}; a rule that reads only the name of the source is right for {_number(blind)} "
        f"of the test images. {'' if outside else 'No external test set stands beside it.'}"
    ).strip()


def _external_sentence(facts: dict) -> str:
    if not facts["external"]:
        return "There is no external test set in this run: what another hospital would see is unknown."
    return "External sets were read once, by the finished model, at the threshold fixed on this dataset's validation."


def _weights_sentence(facts: dict) -> str:
    if facts["model"]["random_weights"]:
        return "Trained from random weights, not from ImageNet: expect less than transfer learning would give."
    return f"Trained from the weights of `{facts['model']['backbone']}`, whatever those have learned included."


def _start_sentence(model: dict) -> str:
    if model["backbone"] is None:
        return "started from random weights."
    origin = f"`{model['backbone']}` at revision `{model['backbone_revision']}`"
    stand_in = ", a stand-in with random weights" if model["random_weights"] else ""
    frozen = "; its backbone was frozen and only the head trained" if model["frozen_backbone"] else ""
    return f"started from {origin}{stand_in}{frozen}."


def _source_sentence(dataset: dict) -> str:
    if dataset["synthetic"]:
        return "All pictures are drawn by a program; both classes come from it alike."
    return (
        f"A rule that reads only the name of the source is right for {_number(dataset['source_only_accuracy'])} of "
        "the test images. The nearer to 1, the less the results above can tell the disease from the collection."
    )


def _audit_sentence(report: dict) -> str:
    """What the dataset's own audit found out about guessing the label without a lung."""
    if "audit" not in report:
        return "The dataset was not audited for shortcuts, so how much of the label its borders give away is unknown."
    return f"The dataset's audit: {report['audit']['verdict']}"


def _copies_sentence(report: dict) -> str:
    """What became of copies of one exposure, re-encoded, resized and cropped ones included."""
    found = report["duplicates"]["groups"]
    became = {
        "drop": "the best of each stayed",
        "keep": "each stayed in one split",
        "report": "each stayed in one split",
    }
    return f"{found} clusters of copies were found in the data, and {became[report['copies']]}."


def _count_rows(counts: dict) -> Sequence[dict]:
    for source, labels in counts.items():
        for label, splits in labels.items():
            yield {"source": source, "label": label} | {split: splits.get(split, 0) for split in SPLITS}


def _front_matter(facts: dict) -> str:
    model, dataset = facts["model"], facts["dataset"]
    on_hub = dataset["name"] if dataset["revision"] else None
    results = _eval_results(dataset, dataset["name"], facts["test"])
    for name, scores in facts["external"].items():
        results += _eval_results(scores["dataset"], f"{name} (external)", scores)
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="image-classification",
        base_model=None if model["random_weights"] else model["backbone"],
        datasets=[on_hub] if on_hub else None,
        tags=["medical", "chest-x-ray", "covid-19", *(["synthetic"] if dataset["synthetic"] else [])],
        model_name=_title(facts),
        eval_results=results,
    ).to_yaml()


def _eval_results(dataset: dict, name: str, scores: dict) -> list[EvalResult]:
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


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _read_facts(folder: Path) -> dict:
    try:
        return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{folder} holds no metrics.json: name the `model/` folder of a finished run") from error


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@door
def main(argv: Sequence[str] | None = None) -> None:
    """Write a card anew from the files of a finished run."""
    parser = OneLineErrors(prog="python -m cxr.training.card", description="Write README.md anew from a run's facts.")
    parser.add_argument("folder", type=Path, help="the `model/` folder of a finished run")
    parser.add_argument("--repo_id", help="USER/NAME that the card says it can be loaded from")
    arguments = parser.parse_args(argv)
    write_card(arguments.folder, arguments.repo_id)
    print(arguments.folder / "README.md")


if __name__ == "__main__":
    raise SystemExit(main())
