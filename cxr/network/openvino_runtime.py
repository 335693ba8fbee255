"""OpenVINO on the CPU, in bfloat16 where that was measured to be faster: a third of the time of plain torch.

Probabilities then differ from float32 in the third digit (benchmarks/predict.py measures both).
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

import joblib
import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn

from cxr.network.fastest import Fastest, Prepare, fastest

Run = Callable[[torch.Tensor], list[torch.Tensor]]
"""A network's input → its outputs; may be called from several threads."""


class Compiled(NamedTuple):
    """A network ready to run, and the precision that it computes in, `f32` or `bf16`."""

    run: Run
    precision: Fastest


def compile_module(module: nn.Module, example: torch.Tensor, shape: Sequence[int], streams: int = 1) -> Compiled:
    """A module of one tensor, traced with `example`, for inputs of `shape`, in which -1 is any size.

    With several `streams`, that many calls run in parallel, each on its share of the cores: more answers per second,
    each of which takes longer. Results are bit-identical.
    """
    core = openvino.Core()
    graph = trace(module, example, shape)
    # Of any size, the example's is measured.
    measured = [given if given > 0 else size for given, size in zip(shape, example.shape, strict=True)]

    def way(precision: str) -> Prepare:
        return lambda: partial(runner(core, graph, 1, precision), torch.zeros(measured))

    sizes = " ".join(map(str, [*measured, *(tuple(weight.shape) for weight in module.parameters())]))
    ways = {precision: way(precision) for precision in precisions(core)}
    precision = fastest(ways, task="answers", network=sizes, openvino=version("openvino"))
    return Compiled(runner(core, graph, streams, precision.name), precision)


def compile_in_float32(module: nn.Module, example: torch.Tensor, shape: Sequence[int]) -> Run:
    """The same in float32, without a measurement."""
    return runner(openvino.Core(), trace(module, example, shape), 1, "f32")


def precisions(core: openvino.Core) -> list[str]:
    """What is worth measuring: float32, and bfloat16 where the processor has instructions for it."""
    return ["f32", "bf16"] if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else ["f32"]


def runner(core: openvino.Core, graph: openvino.Model, streams: int, precision: str) -> Run:
    """A graph compiled in one of the `precisions`, for so many calls in parallel."""
    settings = {
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": precision,
        # The cores that a container may use: a Space with two cores runs on a machine with many.
        "INFERENCE_NUM_THREADS": joblib.cpu_count(),
    }
    compiled = core.compile_model(graph, "CPU", settings)

    def run(pixel_values: torch.Tensor) -> list[torch.Tensor]:
        request = compiled.create_infer_request()  # one per call: a request must not be shared between threads
        outputs = request.infer([pixel_values.contiguous().numpy()])
        return [torch.from_numpy(outputs[index].copy()) for index in range(len(compiled.outputs))]

    return run


def trace(module: nn.Module, example: torch.Tensor, shape: Sequence[int]) -> openvino.Model:
    """A module of one tensor as OpenVINO's graph, for inputs of `shape`, in which -1 is any size.

    It is converted through the frontend: `openvino.convert_model` sends usage statistics for each conversion.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", FutureWarning)  # torch reads transformers' deprecated attributes, as all others
        traced = torch.jit.trace(module, example, check_trace=False)
    decoder = TorchScriptPythonDecoder(traced)
    frontend = FrontEndManager().load_by_framework("pytorch")
    graph = frontend.convert(frontend.load(decoder))
    graph.reshape(list(shape))
    return graph
