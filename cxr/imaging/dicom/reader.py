"""From the bytes of a DICOM file to 8-bit gray, a hash of its pixels, and what may be known from its header."""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    UID_dictionary,
)

from cxr.errors import UnreadableImage
from cxr.imaging.dicom import display, header, pixels
from cxr.imaging.dicom.header import DicomHeader
from cxr.imaging.limits import MAX_PIXELS, TOO_LARGE, check_size, mute_logger, refusing_damage

NO_IMAGE = "is DICOM without an image"
SEVERAL_FRAMES = "contains several frames"
NO_SYNTAX = "is DICOM that does not say how its image is stored"

_MAX_INFLATED = 8 * MAX_PIXELS
_STEP = 1 << 20
_TAGS = [
    *header.TAGS,
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelAspectRatio",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PresentationLUTShape",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
]


@dataclass(frozen=True)
class DicomImage:
    """An image as gray uint8 (H, W), the mode that the file stores, a hash of its pixels, and its header.

    `sha256` covers the stored values and their interpretation: the file's bytes hold a name, and one exposure may be
    stored in several ways. `warning` tells what in the header contradicts the pixels.
    """

    pixels: NDArray[np.uint8]
    mode: str
    sha256: str
    header: DicomHeader
    warning: str = ""


def read_dicom(raw: bytes, patient_key: bytes | None = None) -> DicomImage:
    """Read one DICOM file.

    Raises:
        UnreadableImage: if it is damaged, too large, compressed in a way that no decoder supports, or contains several
            frames or no image.
    """
    mute_logger("pydicom")
    with refusing_damage():
        dataset = _parse(raw)
        _check(dataset)
        stored = pixels.decode_pixels(dataset)
        rendered, mode = display.render(stored, dataset), display.stored_mode(stored, dataset)
        facts = header.read_header(dataset, patient_key)
        return DicomImage(rendered.pixels, mode, _hash(stored), facts, rendered.warning)


def _parse(raw: bytes) -> pydicom.Dataset:
    if DeflatedExplicitVRLittleEndian.encode() in raw[:4096]:
        _check_inflated(raw)
    start = _data_set_start(raw)
    if _is_implicit_big_endian(raw[start : start + 8]):
        return _read_implicit_big_endian(raw[start:])
    dataset = pydicom.dcmread(io.BytesIO(raw), force=True, specific_tags=_TAGS)
    meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = _guessed_syntax(dataset)
    dataset.file_meta = meta
    return dataset


def _check_inflated(raw: bytes) -> None:
    """Refuse a deflated file that inflates to more than any image needs, without keeping the result.

    Raises:
        UnreadableImage: if it does.
    """
    inflater, left, size = zlib.decompressobj(-zlib.MAX_WBITS), raw[_data_set_start(raw) :], 0
    while left and not inflater.eof and size <= _MAX_INFLATED:
        size += len(inflater.decompress(left, _STEP))
        left = inflater.unconsumed_tail
    if size > _MAX_INFLATED:
        raise UnreadableImage(TOO_LARGE)


def _data_set_start(raw: bytes) -> int:
    """Where the data set starts: behind the preamble and the meta header, as far as there are such."""
    start = 132 if raw[128:132] == b"DICM" else 0
    has_length = raw[start : start + 8] == b"\x02\0\0\0UL\x04\0" and len(raw) >= start + 12
    return start + 12 + struct.unpack_from("<I", raw, start + 8)[0] if has_length else start


def _is_implicit_big_endian(head: bytes) -> bool:
    """Whether a data set that starts with `head` is in a syntax of old scanners that no standard names."""
    return head[:2] == b"\0\x08" and not (head[4:6].isalpha() and head[4:6].isupper())


def _read_implicit_big_endian(raw: bytes) -> pydicom.Dataset:
    """pydicom takes every file without value representations for little endian, unless it is told."""
    tags: list[BaseTag | int] = [Tag(name) for name in _TAGS]
    dataset = read_dataset(io.BytesIO(raw), True, False, specific_tags=tags)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian  # pixels are stored alike
    return dataset


def _guessed_syntax(dataset: pydicom.Dataset) -> UID:
    """The transfer syntax of a file without a meta header: as pydicom parsed it, unless its pixels are in fragments."""
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise UnreadableImage(NO_SYNTAX)
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check(dataset: pydicom.Dataset) -> None:
    """Refuse what cannot become one radiograph before anything is decoded."""
    if not dataset.get("PixelData") or not dataset.get("Rows") or not dataset.get("Columns"):
        raise UnreadableImage(NO_IMAGE)
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableImage(SEVERAL_FRAMES)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in pixels.SUPPORTED:
        raise UnreadableImage(f"is DICOM compressed as {_syntax_name(syntax)}, which is not supported")
    pixel_bytes = (dataset.get("SamplesPerPixel") or 1) * (dataset.get("BitsAllocated") or 8) / 8
    check_size(dataset.Columns, dataset.Rows, pixel_bytes)


def _syntax_name(syntax: UID) -> str:
    if syntax in UID_dictionary:
        return syntax.name
    return syntax if syntax.is_valid else "an unknown syntax"


def _hash(stored: pixels.StoredPixels) -> str:
    values = np.ascontiguousarray(stored.values)
    digest = hashlib.sha256(f"{values.shape} {values.dtype.newbyteorder('<').str} {stored.photometric}".encode())
    digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()
