"""Reading a JSON file that others may have written: its keys are checked before anything is done with their values."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

MAX_BYTES = 16 * 2**20


class Settings(BaseModel):
    """Keys that are used, with the values that they may have; other keys are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Checked = TypeVar("Checked", bound=Settings)


def read_settings(path: Path, model: type[Checked]) -> Checked:
    """Read a JSON object.

    Raises:
        ValueError: naming the file, the first wrong key and what is wrong with it, in one line.
        OSError: if it cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} has over {MAX_BYTES >> 20} MB")
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))[:80]
        raise ValueError(f"{path.name}: {f'{key}: ' if key else ''}{first['msg']}") from None
