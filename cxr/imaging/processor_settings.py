"""The values that `preprocessor_config.json` may have: the sizes are those of images that fit into memory."""

from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from cxr.schema.model_repo import PREPROCESSOR
from cxr.schema.settings_file import Settings, read_settings

MAX_SIDE = 2048
"""Of the network's input, in pixels."""

_Side = Annotated[int, Field(ge=32, le=MAX_SIDE)]
_Mean = Annotated[float, Field(ge=-1000, le=1000)]
_Deviation = Annotated[float, Field(ge=1e-3, le=1000)]
_Channels = Field(min_length=1, max_length=3)


class _Size(Settings):
    model_config = ConfigDict(extra="forbid")

    shortest_edge: _Side | None = None
    longest_edge: _Side | None = None
    height: _Side | None = None
    width: _Side | None = None


class _ProcessorSettings(Settings):
    image_processor_type: Annotated[str, Field(max_length=80)] | None = None
    size: _Size | _Side | None = None
    crop_size: _Size | _Side | None = None
    crop_pct: Annotated[float, Field(ge=0.25, le=1)] | None = None
    resample: Annotated[int, Field(ge=0, le=5)] | None = None
    do_resize: bool | None = None
    do_center_crop: bool | None = None
    do_rescale: bool | None = None
    do_normalize: bool | None = None
    rescale_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    image_mean: Annotated[list[_Mean], _Channels] | _Mean | None = None
    image_std: Annotated[list[_Deviation], _Channels] | _Deviation | None = None


def check_processor_settings(folder: Path) -> None:
    """Make sure that a processor can be made of the file in `folder`.

    Raises:
        ValueError: naming the first value that it cannot have, in one line.
        OSError: if it cannot be read.
    """
    read_settings(folder / PREPROCESSOR, _ProcessorSettings)
