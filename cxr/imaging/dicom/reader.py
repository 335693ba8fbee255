"""From the bytes of a DICOM file to an 8-bit picture, what it was, and the harmless part of its header."""

import hashlib
import io
import logging
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, UID_dictionary

from cxr.errors import UnreadableImage
from cxr.imaging.dicom import codecs, header, pixels
from cxr.imaging.dicom.header import DicomHeader
from cxr.imaging.unreadable import MAX_PIXELS, TOO_LARGE, check_size, decoders_failing_cleanly

NO_PICTURE = "is DICOM without a picture"
SEVERAL_FRAMES = "holds several frames"
NO_SYNTAX = "is DICOM that does not say how its picture is stored"

_INFLATED = 8 * MAX_PIXELS
_STEP = 1 << 20
_TAGS = [*header.TAGS, *pixels.TAGS]

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # what is wrong with a file, its refusal says


@dataclass(frozen=True)
class DicomImage:
    """A picture of Pillow's mode L or RGB, the mode that the file stores, its pixels' hash and its header.

    `sha256` is of the stored values and how they are meant: the raw bytes hold a name, and one exposure may be
    stored in several ways.
    """

    image: Image.Image
    mode: str
    sha256: str
    header: DicomHeader


def read_dicom(raw: bytes, patient_key: bytes | None = None) -> DicomImage:
    """Read one DICOM file.

    Raises:
        UnreadableImage: if it is damaged, too large, holds several frames or no picture, or pixels stored in a way
            that no decoder of ours reads (refused by its name).
    """
    with decoders_failing_cleanly(BytesLengthException):
        dataset = _parse(raw)
        _check(dataset)
        picture = pixels.stored(dataset)
        return DicomImage(*pixels.shown(picture, dataset), _hash(picture), header.header_of(dataset, patient_key))


def _parse(raw: bytes) -> pydicom.Dataset:
    if DeflatedExplicitVRLittleEndian.encode() in raw[:4096]:
        _check_inflated(raw)
    dataset = pydicom.dcmread(io.BytesIO(raw), force=True, specific_tags=_TAGS)
    meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = _guessed_syntax(dataset)
    dataset.file_meta = meta
    return dataset


def _check_inflated(raw: bytes) -> None:
    """Refuse a deflated file that unpacks to more than any picture of ours takes, without keeping what it unpacks to.

    Raises:
        UnreadableImage: if it does.
    """
    start = 144 + struct.unpack_from("<I", raw, 140)[0]
    inflater, left, size = zlib.decompressobj(-zlib.MAX_WBITS), raw[start:], 0
    while left and not inflater.eof and size <= _INFLATED:
        size += len(inflater.decompress(left, _STEP))
        left = inflater.unconsumed_tail
    if size > _INFLATED:
        raise UnreadableImage(TOO_LARGE)


def _guessed_syntax(dataset: pydicom.Dataset) -> UID:
    """How a file without a meta header is stored: as pydicom found it, unless its pixels come in fragments."""
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise UnreadableImage(NO_SYNTAX)
    implicit, little = dataset.original_encoding
    return codecs.NATIVE[0 if implicit else 1 if little else 2]


def _check(dataset: pydicom.Dataset) -> None:
    """Refuse what cannot become one radiograph, before anything is decoded."""
    if not dataset.get("PixelData") or not dataset.get("Rows") or not dataset.get("Columns"):
        raise UnreadableImage(NO_PICTURE)
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableImage(SEVERAL_FRAMES)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in codecs.SUPPORTED:
        known = syntax.name if syntax in UID_dictionary else syntax if syntax.is_valid else "an unknown syntax"
        raise UnreadableImage(f"is DICOM compressed as {known}, which none of our decoders reads")
    check_size(dataset.Columns, dataset.Rows)


def _hash(picture: pixels.Stored) -> str:
    values = np.ascontiguousarray(picture.values)
    digest = hashlib.sha256(f"{values.shape} {values.dtype.newbyteorder('<').str} {picture.photometric}".encode())
    digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()
