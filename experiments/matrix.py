"""Train on each of several datasets and score every model on every test split: `python -m experiments.matrix --help`.

A model's score on the collection that it was trained on says little; its row says how it performs elsewhere. Cells
whose images a model was trained on stay empty: `assess.py` finds them by the fingerprints in its folder.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cxr import markdown
from cxr.assessment import model
from cxr.assessment.arguments import Computing, ModelChoice
from cxr.assessment.measure import measure, require_images
from cxr.assessment.model import LoadedModel
from cxr.assessment.overlap import SharedWithTraining
from cxr.cli import OneLineErrors, command
from cxr.schema.document import Interval
from cxr.training.data.dataset import XrayDataset, load
from cxr.training.reporting.card_tables import probe_auroc, probe_title, value_and_ends
from cxr.training.run import main as train

FIGURE = Path("figures") / "matrix.png"
_HEAD = """# Every training set on every test split

A ResNet-50 was trained on each dataset by one recipe, and scored on every test split, by AUROC with 95 % intervals from
a bootstrap over patients. On the diagonal, a model is tested on the collections that it was trained on, which says
little: beside it are small classifiers that see no lungs. An empty cell shares images or patients with the model's
training data.

```text
{command}
```

![AUROC of every model on every test split](figures/matrix.png)

"""


class Cell(TypedDict):
    """A model on a test split; `auroc` is None with the `reason`, where it was not measured."""

    auroc: float | None
    interval: Interval
    images: int
    patients: int
    reason: str


class Named(NamedTuple):
    """A prepared dataset and what the table calls it."""

    name: str
    dataset: str


Row = dict[str, Cell]


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m experiments.matrix", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--train", required=True, nargs="+", type=_named, metavar="NAME=DATASET", help="datasets to train on, each once"
    )
    parser.add_argument(
        "--test", nargs="+", default=[], type=_named, metavar="NAME=DATASET", help="more datasets to test on"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the runs; those that are finished are kept")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="write the table to FILE, and its chart in figures beside it"
    )
    parser.add_argument("recipe", nargs="*", help="after `--`: a recipe and flags of train_hf.py, the same for all")
    return parser


def _named(text: str) -> Named:
    name, separator, dataset = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=DATASET")
    return Named(name, dataset)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, score everything, write `matrix.json` and the table."""
    options = _parser().parse_args(argv)
    tests = {test.name: load(test.dataset, None, None, ("test",)) for test in (*options.train, *options.test)}
    require_images(tests, "test")
    rows: dict[str, Row] = {}
    for one in options.train:
        folder = options.out / one.name
        if not (folder / "model" / "README.md").is_file():
            code = train([*options.recipe, "--dataset", one.dataset, "--output_dir", str(folder)])
            if code:
                return code
        rows[one.name] = _score(folder / "model", tests)
        (options.out / "matrix.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    text = table(rows, tests)
    print(text)
    if options.log:
        figure = options.log.parent / FIGURE
        figure.parent.mkdir(exist_ok=True)
        draw(rows, list(tests)).savefig(figure, dpi=150, metadata={"Software": None})
        options.log.write_text(_HEAD.format(command=_shell_command(options)) + text + "\n", encoding="utf-8")
    return 0


def _score(folder: Path, tests: Mapping[str, XrayDataset]) -> Row:
    """A model's cells."""
    loaded = model.load(ModelChoice(str(folder), None, ()), Computing())
    return {name: _cell(loaded, name, dataset) for name, dataset in tests.items()}


def _cell(loaded: LoadedModel, name: str, dataset: XrayDataset) -> Cell:
    try:
        result = measure([loaded], {name: dataset}, "test").assessment["datasets"][name]["results"][0]
    except SharedWithTraining as error:
        return {"auroc": None, "interval": None, "images": 0, "patients": 0, "reason": str(error)}
    return {
        "auroc": result["auroc"],
        "interval": result["intervals"]["auroc"],
        "images": result["n"],
        "patients": result["patients"],
        "reason": "",
    }


def table(rows: Mapping[str, Row], tests: Mapping[str, XrayDataset]) -> str:
    """The matrix in Markdown, with the probes of each test dataset below."""
    sizes = [f"{name} ({len(dataset.splits['test']):,} images)" for name, dataset in tests.items()]
    lines: list[Sequence[object]] = [
        (f"trained on {name}", *(_text(row[test], name == test) for test in tests)) for name, row in rows.items()
    ]
    audits = {name: _probes(dataset) for name, dataset in tests.items()}
    for shown in dict.fromkeys(title for found in audits.values() for title in found):
        lines.append((shown, *(audits[name].get(shown, "not audited") for name in tests)))
    return markdown.table(("", *sizes), lines)


def _text(cell: Cell, is_own: bool) -> markdown.Markdown:
    if cell["auroc"] is None:
        return markdown.Markdown("")
    text = value_and_ends(cell["auroc"], cell["interval"])
    return markdown.Markdown(f"*{text}*" if is_own else text)


def _probes(dataset: XrayDataset) -> dict[str, str]:
    """The AUROC of each probe of a dataset's audit, by its title."""
    audit = dataset.report.get("audit")
    return {probe_title(probe): probe_auroc(probe) for probe in audit["probes"]} if audit else {}


def draw(rows: Mapping[str, Row], tests: Sequence[str]) -> Figure:
    """The matrix as a heatmap of AUROCs; cells that were not measured are white."""
    cells = [[row[test]["auroc"] for test in tests] for row in rows.values()]
    values = np.array(cells, dtype=np.float64)  # None becomes NaN
    figure = Figure(figsize=(2.2 + 1.5 * len(tests), 1.4 + 0.7 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(values, vmin=0.5, vmax=1.0, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(tests)), tests)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel="tested on", ylabel="trained on")
    for y, row in enumerate(rows.values()):
        for x, test in enumerate(tests):
            cell = row[test]
            if cell["auroc"] is not None:
                ends = f"\n{cell['interval'][0]:.2f}–{cell['interval'][1]:.2f}" if cell["interval"] else ""
                ink = "black" if cell["auroc"] > 0.8 else "white"
                axes.text(x, y, f"{cell['auroc']:.2f}{ends}", ha="center", va="center", color=ink, fontsize=8)
    figure.colorbar(image, ax=axes, label="AUROC")
    return figure


def _shell_command(options: argparse.Namespace) -> str:
    """The command that repeats it; datasets by their names, so that no log holds a path of this machine."""

    def named(sets: Sequence[Named]) -> list[str]:
        return [f"{one.name}=data/{one.name}" for one in sets]

    words = ["--train", *named(options.train), *(["--test", *named(options.test)] if options.test else [])]
    words += ["--out", f"runs/{options.out.name}", "--", *options.recipe]
    return shlex.join(["python", "-m", "experiments.matrix", *words])


if __name__ == "__main__":
    sys.exit(main())
