"""One forward pass, by the runtime that suits the machine.

On a CPU that is OpenVINO. On CUDA, and for exact answers, torch runs in float32.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from transformers import ResNetForImageClassification

from cxr.gate.features import TRACED_SHAPE, Backbone
from cxr.network.finer_cells import finer_stage
from cxr.network.openvino_runtime import compile_module


class ForwardPass(NamedTuple):
    """Outputs for one image, float32.

    Logits (1, 2); the feature map that heatmaps are computed from, (1, C, h, w); the mean of the last feature map over
    positions, (1, C); and the early `moments` that the gate takes.
    """

    logits: torch.Tensor
    feature_map: torch.Tensor
    pooled: torch.Tensor
    moments: torch.Tensor


class Network(NamedTuple):
    """A network ready to answer.

    Attributes:
        run: takes the network's input, float32 (1, 3, S, S).
        computed_by: what computes, in which precision, on which device.
        note: the measurement by which that was chosen, in words; empty if there was nothing to choose.
    """

    run: Callable[[torch.Tensor], ForwardPass]
    computed_by: str
    note: str = ""


class FinerBackbone(Backbone):
    """A backbone that also gives the last feature map with finer cells; its other outputs are the same."""

    def __init__(self, model: ResNetForImageClassification):
        super().__init__(model)
        self.finer_stage = finer_stage(model)

    def outputs(self, states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Also (N, C, 2h, 2w)."""
        return (*super().outputs(states), self.finer_stage(states[-2]))


def torch_network(model: ResNetForImageClassification, device: str, finer: bool = False) -> Network:
    """Plain torch in float32; moves the model to the device. With `finer`, heatmaps have finer cells."""
    nn.Module.to(model, device)  # transformers wraps `model.to` so that its type is lost
    backbone = FinerBackbone(model) if finer else Backbone(model)

    def run(pixel_values: torch.Tensor) -> ForwardPass:
        return _complete(model, *backbone(pixel_values.to(device)))

    return Network(run, f"torch float32 on {device}")


def openvino_network(
    model: ResNetForImageClassification, input_size: int, concurrency: int = 1, finer: bool = False
) -> Network:
    """OpenVINO on the CPU for inputs of (1, 3, `input_size`, `input_size`); head and gate stay in float32.

    With `concurrency`, that many calls run in parallel, each on its share of the cores: more answers per second, each
    of which takes longer. Results are bit-identical. With `finer`, heatmaps have finer cells.
    """
    backbone = FinerBackbone(model) if finer else Backbone(model)
    shape = [1, 3, input_size, input_size]
    compiled, precision = compile_module(backbone, torch.zeros(TRACED_SHAPE), shape, concurrency)

    def run(pixel_values: torch.Tensor) -> ForwardPass:
        return _complete(model, *compiled(pixel_values))

    return Network(run, f"OpenVINO {precision.name} on cpu", str(precision) if precision.seconds else "")


def _complete(
    model: ResNetForImageClassification,
    feature_map: torch.Tensor,
    early: torch.Tensor,
    finer: torch.Tensor | None = None,
) -> ForwardPass:
    pooled = feature_map.mean((2, 3), keepdim=True)
    shown = feature_map if finer is None else finer
    return ForwardPass(model.classifier(pooled), shown, pooled.flatten(1), early)
