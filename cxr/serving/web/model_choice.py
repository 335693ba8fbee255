"""Which model the app serves: the flag's, the environment's, or the README's."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from huggingface_hub import metadata_load

from cxr.errors import UserError


class ModelChoice(NamedTuple):
    """A repo id or folder, or None if no model is named; revision None means the newest."""

    model: str | None
    revision: str | None


def choose_model(model: str | None, revision: str | None, readme: Path) -> ModelChoice:
    """The flags' model, else `MODEL_ID`, else the README's; a revision that was set for one model pins no other.

    Raises:
        UserError: if the README's front matter cannot be read.
    """
    from_environment = os.environ.get("MODEL_ID")
    if not revision and (not model or not from_environment or model == from_environment):
        revision = os.environ.get("MODEL_REVISION")
    if model or from_environment:
        return ModelChoice(model or from_environment, revision or None)
    first, preloaded = _from_readme(readme)
    return ModelChoice(first, revision or preloaded)


def _from_readme(readme: Path) -> ModelChoice:
    """The first of the README's `models:`, at the commit that its `preload_from_hub: [ID FILES SHA]` fetches."""
    try:
        front_matter = (metadata_load(readme) or {}) if readme.is_file() else {}
        models = _as_list(front_matter.get("models"))
        preloaded = [item.split() for item in _as_list(front_matter.get("preload_from_hub"))]
    except (ValueError, OSError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"{readme.name}: its front matter cannot be read: correct it, or name a --model") from error
    if not models:
        return ModelChoice(None, None)
    commits = {words[0]: words[2] for words in preloaded if len(words) == 3}
    return ModelChoice(models[0], commits.get(models[0]))


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value] if value else []
