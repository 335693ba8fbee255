"""OpenVINO on the CPU, in bfloat16 where the processor has it: a third of the time of plain torch.

Probabilities then differ from float32 in the third digit (benchmarks/predict.py measures both).
"""

import warnings
from collections.abc import Callable, Sequence

import joblib
import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn

Run = Callable[[torch.Tensor], list[torch.Tensor]]
"""A network's input → its outputs; may be called from several threads."""


def compile_module(module: nn.Module, example: torch.Tensor, shape: Sequence[int], streams: int = 1) -> Run:
    """A module of one tensor, traced with `example`, for inputs of `shape`, in which -1 is any size.

    With several `streams`, that many calls run in parallel, each on its share of the cores: more answers per second,
    each of which takes longer. Results are bit-identical.
    """
    core = openvino.Core()
    settings = {
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": precision(core),
        # The cores that a container may use: a Space with two cores runs on a machine with many.
        "INFERENCE_NUM_THREADS": joblib.cpu_count(),
    }
    compiled = core.compile_model(_graph(module, example, shape), "CPU", settings)

    def run(pixel_values: torch.Tensor) -> list[torch.Tensor]:
        request = compiled.create_infer_request()  # one per call: a request must not be shared between threads
        outputs = request.infer([pixel_values.contiguous().numpy()])
        return [torch.from_numpy(outputs[index].copy()) for index in range(len(compiled.outputs))]

    return run


def precision(core: openvino.Core | None = None) -> str:
    """`bf16` or `f32`: what this machine computes in."""
    core = core or openvino.Core()
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _graph(module: nn.Module, example: torch.Tensor, shape: Sequence[int]) -> openvino.Model:
    """Convert through the frontend: `openvino.convert_model` sends usage statistics for each conversion."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", FutureWarning)  # torch reads transformers' deprecated attributes, as all others
        traced = torch.jit.trace(module, example, check_trace=False)
    decoder = TorchScriptPythonDecoder(traced)
    frontend = FrontEndManager().load_by_framework("pytorch")
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape(list(shape))
    return graph
