"""Room 3: a published model and a radiograph in, a verdict that a visitor understands out.

ZeroGPU Spaces patch CUDA when `spaces` is imported, which has to happen before anything touches CUDA: hence here,
where every way into the room passes. Elsewhere the package is absent and `on_gpu` changes nothing.
"""

import os
from collections.abc import Callable

try:
    import spaces
except ImportError:
    spaces = None


def on_gpu(function: Callable) -> Callable:
    """Ask ZeroGPU for a device for the length of each call of `function`."""
    return spaces.GPU(function) if spaces else function


def has_gpu_per_call() -> bool:
    """Whether this is a ZeroGPU Space, which lends its GPU for calls of `on_gpu` functions once the page is served."""
    return spaces is not None and bool(os.environ.get("SPACES_ZERO_GPU"))
