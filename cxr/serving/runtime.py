"""One forward pass, by the runtime that suits the machine; nobody but the predictor asks which.

On a CPU, OpenVINO takes a third of the time of plain torch, in bfloat16 where the processor has it: probabilities then
differ in the third digit (benchmarks/predict.py measures both). On CUDA, and where an answer has to be exact, it is
torch in float32.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import joblib
import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn
from transformers import PreTrainedModel

from cxr.gate.gate import early_stage_moments

_TRACED_SIDE = 64


class Pass(NamedTuple):
    """What one picture's forward pass shows: float32 logits (1, 2), last feature map (1, C, h, w), its mean over places
    (1, C), and early `moments`.
    """

    logits: torch.Tensor
    last: torch.Tensor
    pooled: torch.Tensor
    moments: torch.Tensor


Network = Callable[[torch.Tensor], Pass]
"""Takes the network's input, float32 (1, 3, S, S)."""


class _Backbone(nn.Module):
    """The part that costs time, as a function of one tensor."""

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.resnet = model.resnet

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.resnet(pixel_values, output_hidden_states=True).hidden_states
        return states[-1], early_stage_moments(states)


def exact(model: PreTrainedModel) -> Network:
    """Plain torch in float32, where the model lies."""
    backbone = _Backbone(model)

    def run(pixel_values: torch.Tensor) -> Pass:
        last, early = backbone(pixel_values.to(model.device))
        return _passed(model, last, early)

    return run


def fast(model: PreTrainedModel, side: int, at_once: int = 1) -> Network:
    """OpenVINO on the CPU for inputs of (1, 3, `side`, `side`); head and gate stay in float32.

    With `at_once`, that many calls run side by side, each on its share of the processors: more answers a second, each
    of which takes longer. They are the same to the last bit.
    """
    core = openvino.Core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {
        "NUM_STREAMS": at_once,
        "INFERENCE_PRECISION_HINT": "bf16" if has_bf16 else "f32",
        # What a container may use: a Space of two cores runs on a machine of many.
        "INFERENCE_NUM_THREADS": joblib.cpu_count(),
    }
    compiled = core.compile_model(_graph(model, side), "CPU", settings)

    def run(pixel_values: torch.Tensor) -> Pass:
        request = compiled.create_infer_request()  # one a call: a request is no thread's but its own
        outputs = request.infer([pixel_values.numpy()])
        last, early = (torch.from_numpy(outputs[index].copy()) for index in range(2))
        return _passed(model, last, early)

    return run


def _graph(model: PreTrainedModel, side: int) -> openvino.Model:
    """Straight from the frontend: `openvino.convert_model` reports every conversion to its maker's statistics."""
    example = torch.zeros(1, 3, _TRACED_SIDE, _TRACED_SIDE)
    with warnings.catch_warnings(action="ignore", category=torch.jit.TracerWarning):
        backbone = torch.jit.trace(_Backbone(model), example, check_trace=False)
    decoder = TorchScriptPythonDecoder(backbone)
    frontend = FrontEndManager().load_by_framework("pytorch")
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape([1, 3, side, side])
    return graph


def _passed(model: PreTrainedModel, last: torch.Tensor, early: torch.Tensor) -> Pass:
    pooled = last.mean((2, 3), keepdim=True)
    return Pass(model.classifier(pooled), last, pooled.flatten(1), early)
