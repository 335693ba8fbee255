"""Which way of computing heatmaps points at what people marked, on a trained model and a dataset with `boxes`.

No way trains anything: each computes maps from the same weights. Beside class activation maps (Zhou et al. 2016) stand
finer cells (the last stage dilated instead of strided: Yu et al. 2017, arXiv 1705.09914), averages over shifts of the
image, both of them, LayerCAM of the last stage and the one before (Jiang et al. 2021, doi 10.1109/TIP.2021.3089943),
Grad-CAM++, integrated gradients, occlusion, and a larger input. `--checkpoint` adds the read-out that the box loss
trained, of a checkpoint of a run with `--box_weight`: it says where opacities are, and not what the verdict comes from.
The measures are those of `benchmarks/heatmaps.py`. Choose on validation, and report the test split once.

    python benchmarks/attributions.py MODEL_DIR DATASET [--split validation] [--checkpoint DIR] [--json FILE]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from attribution_methods import WAYS, Way
from heatmaps import NO_BOXES, open_marked, shown
from measure import print_table
from safetensors.torch import load_file
from torch.nn import functional
from transformers import PreTrainedModel

from cxr.cli import command
from cxr.errors import UserError
from cxr.imaging.preprocess import load_processor, make_processor
from cxr.schema.heatmaps import HeatmapSummary
from cxr.training import box_loss
from cxr.training.evaluation.heatmap_evaluation import Attribution, class_activation_maps, measure

_CHECKPOINT = ("--checkpoint", "checkpoint of a run with --box_weight, whose read-out is tried as well")

LARGER = 1.75
"""224 pixels for a model of 128."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it as JSON if asked."""
    options, model, marked = open_marked(__doc__, arguments, "validation", _CHECKPOINT)
    given = load_processor(options.model)
    larger = make_processor(round(LARGER * given.size["shortest_edge"]))
    trials = {name: (given, way) for name, way in WAYS.items()} | {"larger input": (larger, class_activation_maps)}
    if options.checkpoint:
        trials["read-out of the box loss"] = (given, read_out(options.checkpoint))
    figures = {name: measure(model, processor, marked, way) for name, (processor, way) in trials.items()}
    found = {name: summary for name, summary in figures.items() if summary}
    if not found:
        raise UserError(NO_BOXES)
    rows = [_row(name, summary) for name, summary in found.items()]
    print_table((f"{len(marked.images)} images", "maximum inside", "evidence inside", "untrained", "chance"), rows)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _row(name: str, found: HeatmapSummary) -> tuple[str, ...]:
    own, ends = found["class_activation_map"], found["class_activation_map"]["intervals"]
    others = (shown(found[way]["pointing_game"], None) for way in ("random_weights", "chance"))
    hits = shown(own["pointing_game"], ends["pointing_game"])
    return (name, hits, shown(own["evidence_inside"], ends["evidence_inside"]), *others)


def read_out(checkpoint: Path) -> Way:
    """The read-out of the last stage but one that a checkpoint of a run with `--box_weight` holds.

    Raises:
        UserError: if it holds none.
    """
    try:
        weights = load_file(checkpoint / "model.safetensors")
        kernel, bias = (weights[f"{box_loss.NAME}.read_out.{part}"] for part in ("weight", "bias"))
    except (OSError, KeyError) as error:
        raise UserError(f"--checkpoint {checkpoint} is none of a run with --box_weight ({error})") from error

    def of_model(model: PreTrainedModel) -> Attribution:
        @torch.inference_mode()
        def maps(values: torch.Tensor) -> list:
            features = model(values, output_hidden_states=True).hidden_states[-2]
            return list(functional.conv2d(features, kernel, bias)[:, 0].numpy())

        return maps

    return of_model


if __name__ == "__main__":
    sys.exit(main())
