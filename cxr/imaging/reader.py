"""The one reader: any image file → the 8-bit grayscale radiograph that preparation, training and serving use.

It decides, once for all of them:

- The content decides what a file is, never its name.
- 8-bit gray passes bit for bit. Colour becomes gray by ITU-R 601 luma, which keeps R = G = B exactly.
- Transparent pixels are laid over black, the background of a radiograph. An image that is transparent everywhere is
  taken for a broken export, and its alpha is ignored.
- Deeper images are windowed (`bit_depth.window`), never clipped to white.
- DICOM is rendered as a viewer shows it (`dicom.display`): by its own window where it has one, else by that of every
  other deep image; MONOCHROME1 is inverted. Nothing that identifies a patient is passed on from its header.
- EXIF orientation is applied. ICC profiles are ignored: gray values of a radiograph are measurements, hardly any viewer
  or public collection applies profiles to them, and applying one would tell apart files that hold the same pixels.
- JPEG is decoded at full size: decoding at reduced size gives pixels that differ from a resized full image. Only an
  answer that may be off in its third digit asks for it, by `min_short_side`.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr.errors import UnreadableImage
from cxr.imaging import decoders
from cxr.imaging.dicom.header import DicomHeader
from cxr.imaging.file_type import HEAD_BYTES, looks_like_dicom
from cxr.imaging.geometry import resize_to_short_side


@dataclass(frozen=True)
class Radiograph:
    """A radiograph as the network's side sees it, and what its file was.

    Attributes:
        pixels: uint8 gray (H, W).
        width: of the image as it is viewed: after EXIF rotation, before any resize; `height` likewise.
        mode: Pillow's name for what the file stores, with the bit depth where Pillow has no name ("RGB;16").
        format: the file format.
        sha256: hash of the file's bytes; of DICOM, whose bytes hold a name, of the stored pixels.
        header: what may be known from a DICOM header; None for every other format.
        colour_cast: how coloured an 8-bit image is, in levels of 255 (`colour.colour_cast`).
        warning: what makes the gray values doubtful, in a sentence; empty where nothing does.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    mode: str
    format: str
    sha256: str
    header: DicomHeader | None = None
    colour_cast: float = 0.0
    warning: str = ""


def read_radiograph(
    source: bytes | Path,
    *,
    short_side: int | None = None,
    min_short_side: int | None = None,
    patient_key: bytes | None = None,
) -> Radiograph:
    """Read one image.

    Args:
        source: the file, or its bytes.
        short_side: resize to it, by `resize_to_short_side`.
        min_short_side: decode a JPEG at a half, a quarter or an eighth of its size if its short side keeps that many
            pixels. That takes a third of the time for a large one; the luma of a colour may then be one level off.
        patient_key: for the patient's pseudonym in a DICOM's header (`cxr.patient_key`), which is empty without it.

    Raises:
        UnreadableImage: if it is missing, empty, damaged, animated, too large or not an image.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    try:
        radiograph = _decode(source if isinstance(source, bytes) else _file_bytes(source), min_short_side, patient_key)
        if short_side is None:
            return radiograph
        return replace(radiograph, pixels=resize_to_short_side(radiograph.pixels, short_side))
    except UnreadableImage as error:
        raise UnreadableImage(error.reason, name) from error


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage("does not exist") from None
    except IsADirectoryError:
        raise UnreadableImage("is a folder") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be opened ({error.strerror})") from error


def _decode(raw: bytes, min_short_side: int | None, patient_key: bytes | None) -> Radiograph:
    if not raw:
        raise UnreadableImage("is empty")
    if looks_like_dicom(raw[:HEAD_BYTES]):
        return _decode_dicom(raw, patient_key)
    image = decoders.decode(raw, min_short_side)
    sha256 = hashlib.sha256(raw).hexdigest()
    return Radiograph(image.pixels, *image.size, image.mode, image.format, sha256, colour_cast=image.colour_cast)


def _decode_dicom(raw: bytes, patient_key: bytes | None) -> Radiograph:
    from cxr.imaging.dicom.reader import read_dicom  # deferred: many collections hold no DICOM

    image = read_dicom(raw, patient_key)
    height, width = image.pixels.shape
    return Radiograph(
        image.pixels, width, height, image.mode, "DICOM", image.sha256, image.header, warning=image.warning
    )
