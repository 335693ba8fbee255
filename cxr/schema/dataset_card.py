"""The files that a dataset's card names: the report and the Parquet files that belong together.

A preparation that was killed may leave files of two datasets in one folder. The card, replaced in one rename, says
which of them are live; `report.json` may lag behind by a moment.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import metadata_load

CARD = "README.md"
REPORT = "report.json"
_REPORT_NAME = re.compile(r"(data/)?report[\w-]*\.json")
REPORT_KEY = "report"
"""The key of the card's front matter that names the live report."""


def live_report(folder: Path) -> Path:
    """The report that belongs to the card of the dataset in `folder`; it need not exist."""
    name = _front_matter(folder).get(REPORT_KEY)
    return folder / (name if isinstance(name, str) and _REPORT_NAME.fullmatch(name) else REPORT)


def live_shards(folder: Path) -> dict[str, list[str]]:
    """By split, the names of the Parquet files that the card lists, relative to `folder`; empty where it lists none."""
    try:
        listed = _front_matter(folder)["configs"][0]["data_files"]
        return {entry["split"]: _names(entry["path"]) for entry in listed}
    except (LookupError, TypeError):
        return {}


def _names(path: str | list[str]) -> list[str]:
    return [path] if isinstance(path, str) else path


def _front_matter(folder: Path) -> Mapping[str, Any]:
    """The card's YAML; empty where there is no card, or one that cannot be read."""
    try:
        return metadata_load(folder / CARD) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return {}
