"""What a file gave, and the decoding of one in this process; `reader` decides in which process that happens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr.imaging import decoders
from cxr.imaging.dicom.header import DicomHeader
from cxr.imaging.formats.file_type import HEAD_BYTES, looks_like_dicom


@dataclass(frozen=True)
class Radiograph:
    """A radiograph as the network's side sees it, and what its file was.

    Attributes:
        pixels: uint8 gray (H, W).
        width: of the image as it is viewed: after EXIF rotation, before any resize; `height` likewise.
        mode: Pillow's name for what the file stores, with the bit depth where Pillow has no name ("RGB;16").
        format: the file format.
        sha256: hash of the file's bytes; of DICOM, whose bytes hold a name, of the stored pixels. Empty if not wanted.
        header: what may be known from a DICOM header; None for every other format.
        colour_cast: how coloured an 8-bit image is, in levels of 255 (`colour.colour_cast`).
        warning: what makes the gray values doubtful, in a sentence; empty where nothing does.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    mode: str
    format: str
    sha256: str = ""
    header: DicomHeader | None = None
    colour_cast: float = 0.0
    warning: str = ""


def decode(
    raw: bytes, min_short_side: int | None = None, patient_key: bytes | None = None, is_cheap: bool = True
) -> Radiograph:
    """Decode a file's bytes; the arguments are those of `reader.read_radiograph` and `decoders.decode`.

    Only DICOM gets its hash here: that of a file's bytes takes no decoder.

    Raises:
        UnreadableImage: if it is damaged, animated, too large or not an image.
    """
    if looks_like_dicom(raw[:HEAD_BYTES]):
        return _decode_dicom(raw, patient_key)
    image = decoders.decode(raw, min_short_side, is_cheap)
    return Radiograph(image.pixels, *image.size, image.mode, image.format, colour_cast=image.colour_cast)


def _decode_dicom(raw: bytes, patient_key: bytes | None) -> Radiograph:
    from cxr.imaging.dicom.reader import read_dicom  # deferred: many collections hold no DICOM

    image = read_dicom(raw, patient_key)
    height, width = image.pixels.shape
    return Radiograph(
        image.pixels, width, height, image.mode, "DICOM", image.sha256, image.header, warning=image.warning
    )
