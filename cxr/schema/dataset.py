"""Contract 1: the splits, columns and words of a prepared dataset that more than one package needs."""

from collections.abc import Mapping
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)
EXTERNAL = "external"
"""What stands in place of a split for a collection that becomes an external set: a dataset of its own."""

HELD_OUT = (EXTERNAL, "test", "validation")
"""The sets that never train, the most protected first: where a group straddles two, the images of the first stay."""

COLUMN_TYPES = {
    "image": "image",
    "label": "label",
    "finding": "string",
    "patient_id": "string",
    "source": "string",
    "view": "string",
    "sex": "string",
    "age": "float32",
    "file": "string",
    "sha256": "string",
    "phash": "string",
    "width": "int32",
    "height": "int32",
    "mode": "string",
    "format": "string",
    "reference_standard": "string",
    "boxes": "boxes",
}
"""The columns of the Parquet files, in their order, and their types; `cxr.schema.features` makes them `Features`.

`phash` is 256 bits as 64 hex digits, of the image as it is stored; `age` is in years. What is unknown is empty, an age
null; only `patient_id` never is: a file without a patient is its own patient, `file:…`. `reference_standard` is what
the label rests on. `boxes` holds [left, top, right, bottom] of each opacity that a person marked, as shares of the
image's width and height; it is empty where none is marked.
"""

COLUMNS = tuple(COLUMN_TYPES)

LATER_COLUMNS = ("reference_standard", "boxes")
"""Columns that datasets of earlier versions do not have."""

PHANTOM = "phantom"
"""The source of synthetic radiographs."""

NOT_X_RAY = "is no X-ray (CT or other modality)"
NOT_FRONTAL = "is no frontal view"
FOR_PROCESSING = "is stored for processing, not for presentation"
"""Why a file is left out, in the words of a report's `refused` section and of the answers about a DICOM file."""


def is_synthetic(counts: Mapping[str, object]) -> bool:
    """Whether every image is a phantom, so that no score says anything about patients; takes a report's `counts`."""
    return set(counts) == {PHANTOM}
