"""Raw chest X-ray collections → one dataset: `python -m dataset_script`, or from Python `load_collections`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataset_script.builder import CovidCxr, load_collections

__all__ = ["CovidCxr", "load_collections"]


def __getattr__(name: str) -> Any:
    """Import the builder when it is asked for: `datasets` takes seconds, which `--help` need not wait for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("dataset_script.builder"), name)
