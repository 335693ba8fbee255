"""Serving: a published model and a radiograph in, a verdict with its numbers and notices out.

ZeroGPU Spaces patch CUDA when `spaces` is imported, which has to happen before anything touches CUDA. This module runs
before every other module of the package, so the import stands here. Elsewhere the package is absent and `on_gpu`
changes nothing.
"""

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

try:
    import spaces
except ImportError:
    spaces = None

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def on_gpu(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Request a GPU from ZeroGPU for the duration of each call of `function`."""
    if spaces is None:
        return function
    return spaces.GPU(function)


def has_gpu_per_call() -> bool:
    """Whether this is a ZeroGPU Space: it grants a GPU only during calls of `on_gpu` functions, once the page is up."""
    return spaces is not None and bool(os.environ.get("SPACES_ZERO_GPU"))
