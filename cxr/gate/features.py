"""What the gate knows of an image: features of the network's forward pass, by the runtime that suits the machine.

On a CPU that is OpenVINO in float32, which takes less than half of torch's time; fitting a gate takes some two thousand
forward passes.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import BaseImageProcessor, PreTrainedModel

from cxr.gate.gate import early_stage_moments, join_features
from cxr.imaging.preprocess import to_pixel_values
from cxr.network import openvino_runtime

_BATCH = 32

TRACED_SHAPE = 1, 3, 64, 64
"""Of the input that `Backbone` is traced with; its outputs depend on no size."""

_Forward = Callable[[torch.Tensor], tuple[torch.Tensor, ...] | list[torch.Tensor]]


class Backbone(nn.Module):
    """The part of a ResNet that takes the time, as a function of one tensor: last feature map, early moments."""

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.resnet = model.get_submodule("resnet")

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, 3, S, S) → `outputs`."""
        return self.outputs(self.resnet(pixel_values, output_hidden_states=True).hidden_states)

    def outputs(self, states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The hidden states of all stages → (N, C, h, w) and `early_stage_moments`."""
        return states[-1], early_stage_moments(states)


class FeatureExtractor:
    """Features of images by one network, whose weights must not change any more."""

    def __init__(self, model: PreTrainedModel, processor: BaseImageProcessor):
        self._model, self._processor = model, processor
        self._forward: _Forward | None = None

    @torch.inference_mode()
    def __call__(self, images: Iterable[NDArray[np.uint8]]) -> torch.Tensor:
        """Of images, uint8 (H, W) each, float32 (N, D) on the CPU, batch by batch."""
        remaining, features = iter(images), []
        while batch := list(islice(remaining, _BATCH)):
            pixel_values = to_pixel_values(batch, self._processor)
            if self._forward is None:
                self._forward = self._make_ready(list(pixel_values.shape[1:]))
            feature_map, moments = self._forward(pixel_values)
            features.append(join_features(pixel_values, feature_map.mean((2, 3)), moments))
        return torch.cat(features)

    def _make_ready(self, shape: list[int]) -> _Forward:
        backbone, device = Backbone(self._model), self._model.device
        if device.type == "cpu":
            example = torch.zeros(TRACED_SHAPE)
            return openvino_runtime.compile_in_float32(backbone, example, [-1, *shape])
        return lambda pixel_values: backbone(pixel_values.to(device, memory_format=torch.channels_last))
