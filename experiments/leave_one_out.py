"""Train without one collection at a time, by two or more recipes, and score what was left out.

`python -m experiments.leave_one_out --help`. Nothing is chosen on the collection that is scored: each model is trained,
calibrated and stopped on the others. `train_hf.py` does the training, so a recipe performs here as it does elsewhere.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cxr import markdown
from cxr.assessment import model
from cxr.assessment.arguments import Computing, ModelChoice
from cxr.assessment.overlap import check_overlap
from cxr.cli import OneLineErrors, command
from cxr.errors import UserError
from cxr.training.data.dataset import XrayDataset, load
from cxr.training.run import main as train
from experiments import paired
from experiments.paired import Difference, Pair, Sample

FIGURE = Path("figures") / "leave_one_out.png"
_SCORED = "left_out.json"
_HEAD = """# Leaving one collection out

Each model is trained on all collections but one, and scored on every image of the one that was left out, of which
nothing was used for training, calibration or the choice of the epoch. AUROC is the mean over seeds {seeds}, with 95 %
intervals from a bootstrap over patients, paired for differences; the smallest and the largest of the seeds stand beside
it. "Own test split" is that of the collections trained on. Where none of these has boxes, a recipe with a box loss is
trained without it.

```text
{command}
```

![AUROC on the collection that was left out](figures/leave_one_out.png)

"""
_COLUMNS = ("left out", "recipe", "trained on", "own test split", "left out: AUROC", "seeds", "difference from `{}`")


class Recipe(NamedTuple):
    """A recipe with flags of `train_hf.py`, and what the table calls it."""

    name: str
    arguments: list[str]


class Fold(NamedTuple):
    """A dataset prepared without a collection, whether it has boxes, and the test splits of what was left out of it."""

    name: str
    dataset: str
    training_images: int
    boxes: bool
    left_out: list[XrayDataset]

    @property
    def sample(self) -> Sample:
        """Labels and patients of all images that were left out."""
        splits = [one.splits["test"] for one in self.left_out]
        patients = [
            ":".join(pair) for split in splits for pair in zip(split["source"], split["patient_id"], strict=True)
        ]
        return Sample(np.concatenate([split["label"] for split in splits]), patients)


class Scored(NamedTuple):
    """What a model reached: AUROC on its own test split, and the margin of every image that was left out."""

    own: float
    margins: np.ndarray


Results = Mapping[str, Mapping[str, Sequence[Scored]]]
"""By fold and recipe, one for each seed."""


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m experiments.leave_one_out", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--fold",
        required=True,
        nargs="+",
        type=_named,
        metavar="NAME=DATASET",
        help="datasets prepared with --external, by the name of what was left out",
    )
    parser.add_argument(
        "--recipe",
        required=True,
        nargs="+",
        type=_named,
        metavar="NAME='RECIPE FLAGS'",
        help="recipes with flags of train_hf.py; the first is the baseline",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: %(default)s")
    parser.add_argument("--out", required=True, type=Path, help="folder of the runs; those that are finished are kept")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="write the table to FILE, and its chart in figures beside it"
    )
    return parser


def _named(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name, value


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, seed by seed, then write the table."""
    options = _parser().parse_args(argv)
    folds = [_fold(name, dataset) for name, dataset in options.fold]
    recipes = [Recipe(name, shlex.split(words)) for name, words in options.recipe]
    results: dict[str, dict[str, list[Scored]]] = {fold.name: {one.name: [] for one in recipes} for fold in folds}
    for seed in options.seeds:
        for fold in folds:
            for recipe in recipes:
                scored = _run(fold, recipe, seed, options.out / fold.name / recipe.name / f"seed-{seed}")
                results[fold.name][recipe.name].append(scored)
    text = table(results, folds)
    print(text)
    if options.log:
        figure = options.log.parent / FIGURE
        figure.parent.mkdir(exist_ok=True)
        draw(results, folds).savefig(figure, dpi=150, metadata={"Software": None})
        seeds = ", ".join(map(str, options.seeds))
        options.log.write_text(_HEAD.format(seeds=seeds, command=_shell_command(options)) + text + "\n", "utf-8")
    return 0


def _fold(name: str, folder: str) -> Fold:
    found = sorted(path for path in Path(folder).glob("external/*") if any(path.rglob("*.parquet")))
    if not found:
        raise UserError(f"--fold {name}={folder}: nothing was left out of it: prepare it with --external")
    left_out = [load(str(path), None, None, ("test",)) for path in found]
    dataset = load(folder, None, None, ("train",))
    training = dataset.splits["train"]
    both = set(training["source"]) & {source for one in left_out for source in one.splits["test"]["source"]}
    if both:
        raise UserError(f"--fold {name}={folder}: {', '.join(sorted(both))} was not left out: it is trained on, too")
    fold = Fold(name, folder, len(training), bool(dataset.report.get("boxes")), left_out)
    if len(np.unique(fold.sample.labels)) < 2:
        raise UserError(f"--fold {name}={folder}: what was left out has one class, so that it has no AUROC")
    return fold


def _run(fold: Fold, recipe: Recipe, seed: int, out: Path) -> Scored:
    """Train and score one model, or read what it scored before.

    Raises:
        UserError: if training refuses its settings, or what was left out was not.
    """
    if not (out / _SCORED).is_file():
        words = [*recipe.arguments, "--dataset", fold.dataset, "--seed", str(seed), "--output_dir", str(out)]
        words += [] if fold.boxes else ["--box_weight", "0", "--heatmap_weight", "0"]
        if not (out / "model" / "README.md").is_file() and train(words):
            raise UserError(f"--recipe {recipe.name}: it could not be trained with seed {seed}, for the reason above")
        loaded = model.load(ModelChoice(str(out / "model"), None, ()), Computing())
        for dataset in fold.left_out:
            check_overlap(loaded, fold.name, dataset, "test")
        margins = [loaded.evaluator.score(dataset.splits["test"]).margin for dataset in fold.left_out]
        scores = {"own": loaded.metrics["test"]["auroc"], "margins": np.concatenate(margins).tolist()}
        (out / _SCORED).write_text(json.dumps(scores) + "\n", encoding="utf-8")
    known = json.loads((out / _SCORED).read_text(encoding="utf-8"))
    return Scored(known["own"], np.array(known["margins"]))


def table(results: Results, folds: Sequence[Fold]) -> str:
    """Every fold and recipe, the averages over the folds, and the sentence that follows from them, in Markdown."""
    baseline, *others = results[folds[0].name]
    rows = [_row(fold, name, results[fold.name], baseline) for fold in folds for name in results[fold.name]]
    columns = (*_COLUMNS[:-1], markdown.Markdown(_COLUMNS[-1].format(baseline)))
    sentences = [_sentence(name, baseline, _over_folds(results, folds, name, baseline)) for name in others]
    return "\n\n".join([markdown.table(columns, rows), *sentences])


def _row(fold: Fold, name: str, by_recipe: Mapping[str, Sequence[Scored]], baseline: str) -> list[object]:
    runs = by_recipe[name]
    reached = [paired.mean_auroc([run.margins], fold.sample) for run in runs]
    gain = "" if name == baseline else str(paired.difference(_pair(fold, by_recipe, name, baseline)))
    return [
        f"{fold.name} ({len(fold.sample.labels):,} images)",
        markdown.Markdown(f"`{name}`"),
        f"{fold.training_images:,}",
        f"{np.mean([run.own for run in runs]):.3f}",
        paired.shown(paired.interval([run.margins for run in runs], fold.sample)),
        f"{min(reached):.3f}–{max(reached):.3f}",
        gain,
    ]


def _pair(fold: Fold, by_recipe: Mapping[str, Sequence[Scored]], name: str, baseline: str) -> Pair:
    tried, before = ([run.margins for run in by_recipe[one]] for one in (name, baseline))
    return Pair(tried, before, fold.sample)


def _over_folds(results: Results, folds: Sequence[Fold], name: str, baseline: str) -> Difference:
    return paired.difference(*(_pair(fold, results[fold.name], name, baseline) for fold in folds))


def _sentence(name: str, baseline: str, gain: Difference) -> str:
    verdict = (
        "performs better"
        if gain.low > 0
        else "performs worse"
        if gain.high < 0
        else "performs neither better nor worse"
    )
    return f"Averaged over what was left out, `{name}` {verdict} than `{baseline}`: {gain}."


def draw(results: Results, folds: Sequence[Fold]) -> Figure:
    """The AUROC of every recipe on what was left out, with its interval, and each seed's as a small dot."""
    names = list(results[folds[0].name])
    figure = Figure(figsize=(6.4, 1.2 + 0.4 * len(folds) * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, name in enumerate(names):
        for y, fold in enumerate(folds):
            margins = [run.margins for run in results[fold.name][name]]
            found = paired.interval(margins, fold.sample)
            height, label = y + 0.25 * (number - (len(names) - 1) / 2), name if y == 0 else None
            axes.plot([found.low, found.high], [height] * 2, color=f"C{number}", linewidth=2)
            axes.plot(found.estimate, height, "o", color=f"C{number}", label=label)
            seeds = [paired.mean_auroc([of_seed], fold.sample) for of_seed in margins]
            axes.plot(seeds, [height] * len(seeds), ".", color="black", markersize=3)
    axes.axvline(0.5, color="gray", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(folds)), [f"{fold.name}\nleft out" for fold in folds])
    axes.invert_yaxis()
    axes.set(xlabel="AUROC on what was left out; dashed: chance", xlim=(min(0.4, axes.get_xlim()[0]), 1))
    axes.legend(frameon=False, loc="best")
    return figure


def _shell_command(options: argparse.Namespace) -> str:
    """The command that repeats it, with datasets by their names, so that no log holds a path of this machine."""
    folds = [f"{name}=data/{Path(dataset).name}" for name, dataset in options.fold]
    recipes = [f"{name}={words}" for name, words in options.recipe]
    words = ["--fold", *folds, "--recipe", *recipes, "--seeds", *map(str, options.seeds)]
    words += ["--out", f"runs/{options.out.name}"]
    return shlex.join(["python", "-m", "experiments.leave_one_out", *words])


if __name__ == "__main__":
    sys.exit(main())
