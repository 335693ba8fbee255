"""An assessment from start to end: load, refuse leaks, score, describe."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import datasets as hf_datasets
import transformers

from cxr.assessment import adaptation, arguments, model, push, report
from cxr.assessment.arguments import Options
from cxr.assessment.measure import Measured, measure, require_images
from cxr.assessment.model import LoadedModel
from cxr.cli import command
from cxr.errors import UserError
from cxr.schema.assessment import Assessment, ModelResult
from cxr.schema.document import check
from cxr.training.data import dataset as data
from cxr.training.data.dataset import XrayDataset
from cxr.training.evaluation.scores import Scores
from cxr.training.reporting import figures, mistakes


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    options = arguments.parse(argv)
    _quieten()
    models = [model.load(choice, options.computing) for choice in options.models]
    if options.adapt:
        adaptation.require_adaptable(models[0], options.adapt)
    if options.push:
        push.require_pushable(models[0])
    datasets = _load_datasets(options)
    measured = measure(models, datasets, options.split)
    write(options, models, datasets, measured)
    for result in (result for dataset in measured.assessment["datasets"].values() for result in dataset["results"]):
        print(result["judgement"])
        print(f"Training data: {result['training_overlap']['statement']}.")
    print(f"Report: {options.out / report.PAGE}")
    if options.adapt:
        (name, dataset), (assessed,) = next(iter(datasets.items())), measured.assessment["datasets"].values()
        adapted = adaptation.adapt(models[0], name, dataset, assessed["results"][0], options.adapt)
        print(adaptation.headline(adapted, options.adapt))
    if options.push:
        print(push.push(models[0], measured.assessment))


def _quieten() -> None:
    """Libraries print nothing but errors."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    hf_datasets.utils.logging.set_verbosity_error()
    hf_datasets.utils.logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _load_datasets(options: Options) -> dict[str, XrayDataset]:
    """By name; one that was given no name keeps its own.

    Raises:
        UserError: if one cannot be read, has no such split or an empty one, or if two have the same name.
    """
    loaded: dict[str, XrayDataset] = {}
    for choice in options.datasets:
        splits = ("validation", options.split) if options.adapt else (options.split,)
        dataset = data.load(choice.dataset, None, None, splits)
        name = choice.name or dataset.name
        if name in loaded:
            raise UserError(f"--dataset {choice.dataset}: there is a {name} already, name it with NAME=DATASET")
        loaded[name] = dataset
    require_images(loaded, options.split)
    return loaded


def write(
    options: Options, models: Sequence[LoadedModel], datasets: Mapping[str, XrayDataset], measured: Measured
) -> None:
    """Write every file of the report into its folder.

    Raises:
        UserError: if the folder cannot be written to, as when the disk is full.
    """
    try:
        for number, _ in enumerate(models):
            _draw(options.out, number, models[number], datasets, measured, options)
        _draw_comparison(options.out, models, measured)
        write_json(options.out, measured.assessment)
        report.write_report(options.out, measured.assessment)
    except OSError as error:
        raise UserError(f"--out {options.out} cannot be written ({error.strerror or error}): name another") from error


def write_json(folder: Path, assessment: Assessment) -> None:
    """Write `assessment.json`.

    Raises:
        pydantic.ValidationError: if it is not as `cxr.schema.assessment` describes it.
    """
    check(Assessment, assessment)
    text = json.dumps(assessment, indent=2, ensure_ascii=False) + "\n"
    (folder / report.JSON).write_text(text, encoding="utf-8")


def _draw(
    out: Path,
    number: int,
    loaded: LoadedModel,
    datasets: Mapping[str, XrayDataset],
    measured: Measured,
    options: Options,
) -> None:
    """The figures of one model, and contact sheets of its worst mistakes, which show radiographs: for the owner."""
    scores = {name: of_models[number] for name, of_models in measured.scores.items()}
    summaries = {name: dataset["results"][number] for name, dataset in measured.assessment["datasets"].items()}
    figures.draw_scores(report.figure_folder(out, number), scores, summaries, loaded.threshold)
    sets = {name: (scores[name], datasets[name].splits[options.split]) for name in scores}
    folder = out / (mistakes.FOLDER if number == 0 else f"{mistakes.FOLDER}2")
    mistakes.draw_sheets(folder, sets, loaded.threshold)


def _draw_comparison(out: Path, models: Sequence[LoadedModel], measured: Measured) -> None:
    """The ROC curves of both models on every dataset that holds both classes."""
    path = out / report.FIGURES / "comparison.png"
    path.unlink(missing_ok=True)
    if len(models) < 2:
        return
    results = measured.assessment["datasets"]
    sets: dict[str, Scores] = {}
    summaries: dict[str, ModelResult] = {}
    for name, of_models in measured.scores.items():
        for loaded, scores, result in zip(models, of_models, results[name]["results"], strict=True):
            if result["auroc"] is not None:
                sets[f"{loaded.name}: {name}"], summaries[f"{loaded.name}: {name}"] = scores, result
    if sets:
        figures.draw_roc_curves(path, sets, summaries)
