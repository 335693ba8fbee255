"""One forward pass, by the runtime that suits the machine.

On a CPU that is OpenVINO. On CUDA, and for exact answers, torch runs in float32.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from transformers import ResNetForImageClassification

from cxr.gate.features import TRACED_SHAPE, Backbone
from cxr.network.openvino_runtime import compile_module


class ForwardPass(NamedTuple):
    """Outputs for one image, float32: logits (1, 2), last feature map (1, C, h, w), its mean over positions (1, C), and
    the early `moments` that the gate takes.
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


def torch_network(model: ResNetForImageClassification, device: str) -> Network:
    """Plain torch in float32; moves the model to the device."""
    nn.Module.to(model, device)  # transformers wraps `model.to` so that its type is lost
    backbone = Backbone(model)

    def run(pixel_values: torch.Tensor) -> ForwardPass:
        feature_map, early = backbone(pixel_values.to(device))
        return _complete(model, feature_map, early)

    return Network(run, f"torch float32 on {device}")


def openvino_network(model: ResNetForImageClassification, input_size: int, concurrency: int = 1) -> Network:
    """OpenVINO on the CPU for inputs of (1, 3, `input_size`, `input_size`); head and gate stay in float32.

    With `concurrency`, that many calls run in parallel, each on its share of the cores: more answers per second, each
    of which takes longer. Results are bit-identical.
    """
    example = torch.zeros(TRACED_SHAPE)
    compiled, precision = compile_module(Backbone(model), example, [1, 3, input_size, input_size], concurrency)

    def run(pixel_values: torch.Tensor) -> ForwardPass:
        feature_map, early = compiled(pixel_values)
        return _complete(model, feature_map, early)

    return Network(run, f"OpenVINO {precision.name} on cpu", str(precision) if precision.seconds else "")


def _complete(model: ResNetForImageClassification, feature_map: torch.Tensor, early: torch.Tensor) -> ForwardPass:
    pooled = feature_map.mean((2, 3), keepdim=True)
    return ForwardPass(model.classifier(pooled), feature_map, pooled.flatten(1), early)
