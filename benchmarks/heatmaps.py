"""Whether a model's heatmaps point at what people marked, on any prepared dataset with the column `boxes`.

Over the images of a split that have boxes: how often the map's maximum lies in one (pointing game), and which share of
the evidence for COVID does; beside it chance (the marked share of the image), the place that is marked most often in
all other images, and the same network with random weights. Intervals are over patients.

    python benchmarks/heatmaps.py MODEL_DIR DATASET [--split test] [--json FILE]
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from datasets import Dataset, load_dataset
from measure import make_parser
from tqdm import tqdm
from transformers import AutoModelForImageClassification, BaseImageProcessor, PreTrainedModel

from cxr.activation_map import activation_map, resample_to_image
from cxr.errors import UserError
from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.model import linear_head
from cxr.schema.labels import COVID
from cxr.statistics import bootstrap
from cxr.statistics.localization import Map, Mask, box_mask, point, usual_places

SIDE = 128
"""Maps and boxes are compared at this size: maps are coarser, and boxes are drawn by hand."""


class Marked(NamedTuple):
    """The images of a split in which opacities are marked, each uint8 (H, W), with its mask and patient."""

    images: list[np.ndarray]
    masks: list[Mask]
    patients: list[str]


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and write it as JSON if asked."""
    parser = make_parser(__doc__)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("dataset", help="folder of a prepared dataset, or its id on the Hub")
    parser.add_argument("--split", default="test", help="split that is measured (%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    marked = read_marked(load_dataset(options.dataset, split=options.split))
    figures = measure(options.model, marked)
    print(f"{len(marked.images)} images of {len(set(marked.patients))} patients with marked opacities")
    print(f"{'':28}{'maximum inside':>24}{'evidence inside':>24}")
    for name, row in figures.items():
        print(f"{name:28}{shown(row['hits']):>24}{shown(row['inside']):>24}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def read_marked(rows: Dataset) -> Marked:
    """The images with boxes.

    Raises:
        UserError: if there are none.
    """
    if "boxes" not in rows.column_names:
        raise UserError("the dataset has no column `boxes`: prepare it from a collection with boxes or masks")
    chosen = [index for index, boxes in enumerate(rows["boxes"]) if boxes]
    if not chosen:
        raise UserError("no image of this split has boxes: prepare a collection with boxes or masks")
    found = Marked([], [], [])
    for row in rows.select(chosen):
        found.images.append(np.asarray(row["image"].convert("L")))
        found.masks.append(box_mask(row["boxes"], (SIDE, SIDE)))
        found.patients.append(f"{row['source']}:{row['patient_id']}")
    return found


def measure(folder: Path, marked: Marked) -> dict[str, dict[str, Any]]:
    """By way of pointing, `hits` and `inside`, each with the ends of its interval."""
    model = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
    processor = load_processor(folder)
    ways = {
        "class activation map": maps_of(model, processor, marked.images),
        "usual place": iter(usual_places(marked.masks)),
        "network with random weights": maps_of(untrained(model), processor, marked.images),
    }
    figures = {name: summarize(maps, marked) for name, maps in ways.items()}
    areas = [float(mask.mean()) for mask in marked.masks]
    chance = estimate(areas, marked.patients)
    return {**figures, "chance": {"hits": chance, "inside": chance}}


def untrained(model: PreTrainedModel) -> PreTrainedModel:
    """The same architecture with random weights."""
    torch.manual_seed(0)
    return AutoModelForImageClassification.from_config(copy.deepcopy(model.config)).eval()


@torch.inference_mode()
def maps_of(model: PreTrainedModel, processor: BaseImageProcessor, images: list[np.ndarray]) -> Iterator[Map]:
    """The class activation map of each image, float32 (`SIDE`, `SIDE`), NaN outside the network's crop."""
    for pixels in tqdm(images, leave=False, unit=" images"):
        values = to_pixel_values([pixels], processor)
        features = model.resnet(values).last_hidden_state[0]
        evidence = activation_map(features, linear_head(model).weight, COVID)
        whole = resample_to_image(evidence, pixels.shape[::-1], values.shape[-1])
        yield cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


def summarize(maps: Iterator[Map], marked: Marked) -> dict[str, Any]:
    """How often and how far maps point inside."""
    pointed = [point(evidence, mask) for evidence, mask in zip(maps, marked.masks, strict=True)]
    known = [(found, patient) for found, patient in zip(pointed, marked.patients, strict=True) if found]
    hits = estimate([found.hits for found, _ in known], [patient for _, patient in known])
    shares = [(found.inside, patient) for found, patient in known if found.inside is not None]
    return {"hits": hits, "inside": estimate([share for share, _ in shares], [patient for _, patient in shares])}


def estimate(values: list[float], patients: list[str]) -> list[float | None]:
    """The mean and the ends of its 95 % interval over patients; None where there are too few."""
    if not values:
        return [None, None, None]
    statistic = bootstrap.ratio_statistic(np.array(values), np.ones(len(values)))
    found = bootstrap.interval(statistic, patients)
    return [float(np.mean(values)), *((found.low, found.high) if found else (None, None))]


def shown(figures: list[float | None]) -> str:
    """A share and its interval in words."""
    value, low, high = figures
    if value is None:
        return "–"
    ends = "" if low is None or high is None else f" ({100 * low:.0f}–{100 * high:.0f})"
    return f"{100 * value:.0f} %{ends}"


if __name__ == "__main__":
    main()
