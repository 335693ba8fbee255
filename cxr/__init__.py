"""A COVID-19 chest X-ray classifier whose numbers can be believed: the library under the commands.

    from pathlib import Path

    from cxr import Predictor

    predictor = Predictor.load("USER/MODEL")
    answer = predictor.predict(predictor.read(Path("xray.png")))
    print(answer.verdict, answer.probability)

The names below are the public API. Each is imported when it is first used, so that `import cxr` is cheap; everything
else may change between versions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxr.errors import UnreadableImage, UserError
    from cxr.imaging.reader import Radiograph, read_radiograph
    from cxr.schema.labels import LABELS
    from cxr.serving.answer import Answer, Explanation
    from cxr.serving.predictor import Predictor

__all__ = [
    "LABELS",
    "Answer",
    "Explanation",
    "Predictor",
    "Radiograph",
    "UnreadableImage",
    "UserError",
    "read_radiograph",
]

_MODULES = {
    "LABELS": "cxr.schema.labels",
    "Answer": "cxr.serving.answer",
    "Explanation": "cxr.serving.answer",
    "Predictor": "cxr.serving.predictor",
    "Radiograph": "cxr.imaging.reader",
    "UnreadableImage": "cxr.errors",
    "UserError": "cxr.errors",
    "read_radiograph": "cxr.imaging.reader",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
