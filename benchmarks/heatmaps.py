"""Whether a model's heatmaps point at what people marked, on any prepared dataset with the column `boxes`.

Over the images of patients in a split that have boxes: how often the map's maximum lies in one (pointing game), and
which share of the evidence for COVID does; beside it chance (the marked share of the image), the place that is marked
most often in all other images, and the same network with random weights. Intervals are over patients. A training run
measures the same and states it in its `metrics.json`; `--json` writes a file of that form.

    python benchmarks/heatmaps.py MODEL_DIR DATASET [--split test] [--json FILE]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from datasets import load_dataset
from measure import make_parser
from transformers import PreTrainedModel

from cxr.cli import command
from cxr.errors import UserError
from cxr.hub import pull
from cxr.imaging.preprocess import load_processor
from cxr.schema.heatmaps import HeatmapWay
from cxr.serving.loading import load_model
from cxr.training.evaluation.heatmap_evaluation import Marked, measure, read_marked

NO_BOXES = "no image of a patient in this split has boxes: prepare a collection with boxes or masks"


def open_marked(
    description: str | None, arguments: Sequence[str] | None, split: str, *more: tuple[str, str]
) -> tuple[argparse.Namespace, PreTrainedModel, Marked]:
    """The command line, the model in float32, and the marked images of the split, `split` without `--split`.

    `more` are flags that take a path, with their help.
    """
    parser = make_parser(description)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("dataset", help="folder of a prepared dataset, or its id on the Hub")
    parser.add_argument("--split", default=split, help="split that is measured (%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    for flag, text in more:
        parser.add_argument(flag, type=Path, help=text)
    options = parser.parse_args(arguments)
    model = load_model(pull(str(options.model)))
    return options, model, read_marked(load_dataset(options.dataset, split=options.split))


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it as JSON if asked."""
    options, model, marked = open_marked(__doc__, arguments, "test")
    found = measure(model, load_processor(options.model), marked)
    if found is None:
        raise UserError(NO_BOXES)
    print(f"{found['n']} images of {found['patients']} patients with marked opacities")
    print(f"{'':28}{'maximum inside':>24}{'evidence inside':>24}")
    ways: tuple[HeatmapWay, ...] = get_args(HeatmapWay)
    for key in ways:
        row = found[key]
        hits = shown(row["pointing_game"], row["intervals"]["pointing_game"])
        inside = shown(row["evidence_inside"], row["intervals"]["evidence_inside"])
        print(f"{key.replace('_', ' '):28}{hits:>24}{inside:>24}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def shown(value: float | None, ends: list[float] | None) -> str:
    """A share and its interval in words."""
    if value is None:
        return "–"
    interval = f" ({100 * ends[0]:.0f}–{100 * ends[1]:.0f})" if ends else ""
    return f"{100 * value:.0f} %{interval}"


if __name__ == "__main__":
    sys.exit(main())
