"""Whether the heatmaps of a finished model point at what people marked: measured where a dataset has `boxes`."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import cv2
import datasets
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoModelForImageClassification, BaseImageProcessor, PreTrainedModel

from cxr.imaging.preprocess import to_pixel_values
from cxr.network.activation_map import activation_map, resample_to_image
from cxr.network.finer_cells import finer_map, finer_stage
from cxr.network.model import linear_head
from cxr.schema.dataset import PHANTOM
from cxr.schema.heatmaps import Heatmaps, HeatmapSummary
from cxr.schema.labels import COVID
from cxr.statistics.localization import Map, Mask, box_mask, compare
from cxr.training.data.dataset import XrayDataset
from cxr.training.data.images import image_of
from cxr.training.evaluation.evaluation import Evaluator

MOST = 500
"""Images of a set that a training run measures at most: more take time and narrow the interval little."""

SIDE = 128
"""Maps and boxes are compared at this size: maps are coarser, and boxes are drawn by hand."""

_BATCH = 32
_SEED = 0


Attribution = Callable[[torch.Tensor], list[NDArray[np.float32]]]
"""The network's input, float32 (N, 3, S, S) → N maps of the evidence for COVID over it, float32 (h, w)."""


MapOf = Callable[[torch.Tensor, torch.Tensor, int], Map]
"""Features of an image, the head's weight and the row of COVID in it → the map."""


class Marked(NamedTuple):
    """Images of patients in which opacities are marked, each uint8 (H, W), with its mask and patient."""

    images: list[NDArray[np.uint8]]
    masks: list[Mask]
    patients: list[str]


def measure_heatmaps(
    evaluator: Evaluator, dataset: XrayDataset, external: Mapping[str, XrayDataset]
) -> Heatmaps | None:
    """The section `heatmaps` of `metrics.json`; None where no set of patients has boxes, which costs nothing."""
    model, processor = evaluator.model, evaluator.processor
    test = measure(model, processor, read_marked(dataset.splits["test"], MOST))
    outside = {
        name: found
        for name, other in external.items()
        if (found := measure(model, processor, read_marked(other.splits["test"], MOST)))
    }
    return {"test": test, "external": outside, "finer_cells": True} if test or outside else None


def read_marked(rows: datasets.Dataset, most: int | None = None) -> Marked:
    """The images with boxes, of which those with the smallest hashes if there are more than `most`.

    Phantoms are left out, whatever is marked in them: what points at a drawn opacity need not point at a real one.
    """
    found = Marked([], [], [])
    if "boxes" not in rows.column_names:
        return found
    facts = rows.select_columns(["boxes", "source", "sha256"])[:]
    chosen = [index for index, boxes in enumerate(facts["boxes"]) if boxes and facts["source"][index] != PHANTOM]
    chosen = sorted(chosen, key=facts["sha256"].__getitem__)[:most]
    for row in rows.select(sorted(chosen)):
        found.images.append(np.asarray(image_of(row)))
        found.masks.append(box_mask(row["boxes"], (SIDE, SIDE)))
        found.patients.append(f"{row['source']}:{row['patient_id']}")
    return found


def measure(
    model: PreTrainedModel,
    processor: BaseImageProcessor,
    marked: Marked,
    attribution: Callable[[PreTrainedModel], Attribution] | None = None,
) -> HeatmapSummary | None:
    """How a model's maps lie over what is marked, beside what they are compared with; None if nothing is marked.

    `attribution` makes the way in which maps are computed for a model; finer class activation maps without it.
    """
    if not marked.images:
        return None
    maps_by = attribution or finer_activation_maps
    maps = _maps(maps_by(model), processor, marked.images)
    random = _maps(maps_by(untrained(model)), processor, marked.images)
    return compare(maps, random, marked.masks, marked.patients)


def untrained(model: PreTrainedModel) -> PreTrainedModel:
    """The same architecture with random weights, on the same device, for a sanity check (Adebayo et al. 2018)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        made = AutoModelForImageClassification.from_config(copy.deepcopy(model.config))
    return made.to(model.device).eval()


def finer_activation_maps(model: PreTrainedModel, map_of: MapOf = finer_map) -> Attribution:
    """The maps that the app shows of a model whose maps were found right; `map_of` makes one of the finer features."""
    head, stage = linear_head(model).weight, finer_stage(model)

    @torch.inference_mode()
    def maps(values: torch.Tensor) -> list[NDArray[np.float32]]:
        features = stage(model(values.to(model.device), output_hidden_states=True).hidden_states[-2])
        return [map_of(of_image, head, COVID) for of_image in features]

    return maps


def class_activation_maps(model: PreTrainedModel) -> Attribution:
    """The maps of the network's own cells."""
    head, backbone = linear_head(model).weight, model.get_submodule("resnet")

    @torch.inference_mode()
    def maps(values: torch.Tensor) -> list[NDArray[np.float32]]:
        features = backbone(values.to(model.device)).last_hidden_state
        return [activation_map(of_image, head, COVID) for of_image in features]

    return maps


def _maps(
    attribution: Attribution, processor: BaseImageProcessor, images: Sequence[NDArray[np.uint8]]
) -> Iterator[Map]:
    """The map of each image, float32 (`SIDE`, `SIDE`), NaN outside the network's crop."""
    for start in tqdm(range(0, len(images), _BATCH), desc="heatmaps", unit="batch", leave=False):
        batch = images[start : start + _BATCH]
        values = to_pixel_values(batch, processor)
        for pixels, evidence in zip(batch, attribution(values), strict=True):
            whole = resample_to_image(evidence, pixels.shape[::-1], values.shape[-1])
            yield np.asarray(cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST), np.float32)
