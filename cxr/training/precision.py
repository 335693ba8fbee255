"""The precision that training computes in: measured on the network itself, unless it is given."""

import copy
import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate.utils import broadcast_object_list
from transformers import ResNetForImageClassification

from cxr.network.fastest import Fastest, Prepare, fastest
from cxr.training.arguments import AUTO, Arguments, precisions

FILE = "precision.txt"
"""In the run's folder: what was chosen, so that a run that is resumed elsewhere goes on in the same precision."""

_BATCH = 2
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def with_precision(arguments: Arguments, model: ResNetForImageClassification, resumed: bool) -> Arguments:
    """The arguments with `auto` replaced by the fastest precision here, or by that of the run that is resumed.

    All ranks must call this: the first one decides. The choice is said in one line.
    """
    run = arguments.run
    if run.precision != AUTO or run.bf16 or run.fp16:
        return arguments
    chosen = ""
    if run.process_index == 0:
        file = Path(run.output_dir) / FILE
        chosen = file.read_text(encoding="utf-8").strip() if resumed and file.is_file() else ""
        if chosen not in _TYPES:
            found = measure(model, arguments.model.input_size, run.device, precisions(run.use_cpu))
            chosen = found.name
            if found.seconds:
                print(f"precision {found}", flush=True)
        file.write_text(f"{chosen}\n", encoding="utf-8")
    (chosen,) = broadcast_object_list([chosen])
    return dataclasses.replace(arguments, run=dataclasses.replace(run, precision=chosen))


def measure(
    model: ResNetForImageClassification, size: int, device: torch.device, candidates: tuple[str, ...]
) -> Fastest:
    """Which of the candidates takes a training step of a few images of `size` in the least time on a device."""
    shape = f"{model.config.depths} {model.config.hidden_sizes} {size}"
    ways = {name: _step(model, size, device, _TYPES[name]) for name in candidates}
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return fastest(ways, task="training", network=shape, device=where, torch=version("torch"))


def _step(model: ResNetForImageClassification, size: int, device: torch.device, dtype: torch.dtype) -> Prepare:
    """Forward and backward of the network, on weights of its own, as the Trainer would take them."""

    def prepare() -> Callable[[], object]:
        network = copy.deepcopy(model).to(device).train()  # type: ignore[arg-type]
        images = torch.zeros(_BATCH, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
        labels = torch.arange(_BATCH, device=device) % 2

        def run() -> None:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss = network(pixel_values=images, labels=labels).loss
            loss.backward()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return run

    return prepare
