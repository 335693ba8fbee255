"""What the Hub demands of a Space's front matter before it takes a README (Spaces configuration reference)."""

import re
from collections.abc import Iterator
from typing import Any

from cxr.local_hub.history import HEX
from cxr.local_hub.store import is_name

_COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_SDKS = ("gradio", "docker", "static")
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_TEXTS = ("title", "emoji", "sdk", "sdk_version", "python_version", "app_file", "license", "short_description")
_SHORT = 60


def errors(fields: dict[str, Any]) -> Iterator[str]:
    """Each thing the Hub would refuse; numbers must be quoted, for YAML reads 3.10 as 3.1."""
    for name in _TEXTS:
        if name in fields and not isinstance(fields[name], str):
            yield f'"{name}" must be a string'
    if fields.get("sdk", _SDKS[0]) not in _SDKS:
        yield f'"sdk" must be one of [{", ".join(_SDKS)}]'
    for name in ("colorFrom", "colorTo"):
        if fields.get(name, _COLOURS[0]) not in _COLOURS:
            yield f'"{name}" must be one of [{", ".join(_COLOURS)}]'
    for name in ("sdk_version", "python_version"):
        if not _VERSION.fullmatch(str(fields.get(name, "1"))):
            yield f'"{name}" must be a version such as 3.11'
    if len(str(fields.get("short_description", ""))) > _SHORT:
        yield f'"short_description" length must be less than or equal to {_SHORT} characters long'
    yield from _models(fields)


def _models(fields: dict[str, Any]) -> Iterator[str]:
    for name, fits in (("models", _is_id), ("preload_from_hub", _is_preload)):
        listed = fields.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(item, str) and fits(item) for item in listed):
            yield f'"{name}" must be a list of {"ids" if name == "models" else "ids, each with files and a commit"}'


def _is_id(text: str) -> bool:
    return text.count("/") <= 1 and all(is_name(part) for part in text.split("/"))


def _is_preload(text: str) -> bool:
    """An id, perhaps the files wanted of it (by commas), perhaps the full sha they are wanted at."""
    repo, *rest = text.split()
    return _is_id(repo) and len(rest) <= 2 and all(HEX.fullmatch(sha) for sha in rest[1:])
