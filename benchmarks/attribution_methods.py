"""Ways of computing where a trained ResNet saw evidence for COVID-19: what `benchmarks/attributions.py` compares."""

from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from cxr.network.activation_map import activation_map
from cxr.schema.labels import COVID, NON_COVID
from cxr.training.evaluation.heatmap_evaluation import Attribution, class_activation_maps, finer_activation_maps

SHIFTS = (-0.25, 0.0, 0.25)
"""In cells, along either axis."""

PATH_STEPS = 16
"""Points at which integrated gradients are taken."""

PLACES = 8
"""Where the patch of an occlusion is put, along either side; it is two such steps wide."""

Way = Callable[[PreTrainedModel], Attribution]


def averaged_over_shifts(of_model: Attribution) -> Attribution:
    """The mean of the maps of shifted images, each moved back, at the resolution of the input."""

    def maps(values: torch.Tensor) -> list:
        size = values.shape[-1]
        cells = of_model(values[:1])[0].shape[-1]
        total = torch.zeros(len(values), 1, size, size)
        for shift in product((round(share * size / cells) for share in SHIFTS), repeat=2):
            each = torch.stack([torch.from_numpy(one)[None] for one in of_model(_shifted(values, *shift))])
            resized = functional.interpolate(each, size=(size, size), mode="bilinear")
            total += _shifted(resized, *(-by for by in shift))
        return list((total[:, 0] / len(SHIFTS) ** 2).numpy())

    return maps


def _shifted(values: torch.Tensor, across: int, down: int) -> torch.Tensor:
    """Images (N, C, S, S) moved by pixels to the right and down; what comes in repeats the edge."""
    size, margin = values.shape[-1], max(abs(across), abs(down))
    padded = functional.pad(values, (margin,) * 4, mode="replicate")
    return padded[..., margin - down : margin - down + size, margin - across : margin - across + size]


def layer_cam(stage: int) -> Way:
    """LayerCAM of a stage, counted from the last: features weighted by their own positive gradients."""

    def of_model(model: PreTrainedModel) -> Attribution:
        def maps(values: torch.Tensor) -> list:
            features, gradient = _features_and_gradient(model, values, stage)
            return list((gradient.clamp(min=0) * features).sum(dim=1).cpu().numpy())

        return maps

    return of_model


def grad_cam_plus_plus(model: PreTrainedModel) -> Attribution:
    """Grad-CAM++ of the last stage (Chattopadhay et al. 2018, arXiv 1710.11063, equations 11 and 19)."""

    def maps(values: torch.Tensor) -> list:
        features, gradient = _features_and_gradient(model, values, -1)
        squared = gradient**2
        below = 2 * squared + features.sum(dim=(2, 3), keepdim=True) * squared * gradient
        share = torch.where(below == 0, 0.0, squared / torch.where(below == 0, 1.0, below))
        weight = (share * gradient.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
        return list((weight * features).sum(dim=1).cpu().numpy())

    return maps


def _features_and_gradient(
    model: PreTrainedModel, values: torch.Tensor, stage: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The features (N, C, h, w) of a stage, and the gradient by them of the margin of the logits."""
    with torch.enable_grad():
        output = model(values.to(model.device), output_hidden_states=True)
        features = output.hidden_states[stage]
        (gradient,) = torch.autograd.grad(_margin(output.logits).sum(), features)
    return features.detach(), gradient


def integrated_gradients(model: PreTrainedModel) -> Attribution:
    """Gradients by the pixels, integrated on the way from a gray image (Sundararajan et al. 2017, arXiv 1703.01365).

    Summed over channels and over squares of a sixteenth of the side, because single pixels are noise.
    """

    def maps(values: torch.Tensor) -> list:
        total = torch.zeros_like(values)
        for step in range(PATH_STEPS):
            point = (values * (step + 0.5) / PATH_STEPS).requires_grad_()
            with torch.enable_grad():
                margin = _margin(model(point.to(model.device)).logits).sum()
                total += torch.autograd.grad(margin, point)[0]
        evidence = (total / PATH_STEPS * values).sum(dim=1, keepdim=True)
        return list(functional.adaptive_avg_pool2d(evidence, 16)[:, 0].numpy())

    return maps


def occlusion(model: PreTrainedModel) -> Attribution:
    """How much the margin falls when a patch is gray (Zeiler and Fergus 2014, arXiv 1311.2901)."""

    @torch.inference_mode()
    def maps(values: torch.Tensor) -> list:
        whole, step = _margin(model(values).logits), values.shape[-1] // PLACES
        fall = torch.zeros(len(values), PLACES, PLACES)
        for row, column in product(range(PLACES), repeat=2):
            hidden = values.clone()
            down, across = (slice(max(0, round((at - 0.5) * step)), round((at + 1.5) * step)) for at in (row, column))
            hidden[..., down, across] = 0
            fall[:, row, column] = whole - _margin(model(hidden).logits)
        return list(fall.numpy())

    return maps


def _margin(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, COVID] - logits[:, NON_COVID]


WAYS: dict[str, Way] = {
    "class activation map": class_activation_maps,
    "finer cells": finer_activation_maps,
    # Side by side, so that the network's own cells do not lie where its own map has them.
    "finer cells, unaligned": partial(finer_activation_maps, map_of=activation_map),
    "shifts": lambda model: averaged_over_shifts(class_activation_maps(model)),
    "finer cells and shifts": lambda model: averaged_over_shifts(finer_activation_maps(model)),
    "LayerCAM, last stage": layer_cam(-1),
    "LayerCAM, stage before": layer_cam(-2),
    "Grad-CAM++": grad_cam_plus_plus,
    "integrated gradients": integrated_gradients,
    "occlusion": occlusion,
}
