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
- What is not plainly cheap to decode is decoded by a process that can be ended (`cost`, `isolation`), and no file is
  read beyond `limits.MAX_FILE_BYTES`.
"""

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

from cxr.errors import UnreadableImage
from cxr.imaging import isolation, radiograph
from cxr.imaging.formats.cost import is_cheap
from cxr.imaging.geometry import resize_to_short_side
from cxr.imaging.limits import FILE_TOO_LARGE, MAX_FILE_BYTES
from cxr.imaging.radiograph import Radiograph


def read_radiograph(
    source: bytes | Path,
    *,
    short_side: int | None = None,
    min_short_side: int | None = None,
    patient_key: bytes | None = None,
    hashed: bool = True,
) -> Radiograph:
    """Read one image.

    Args:
        source: the file, or its bytes.
        short_side: resize to it, by `resize_to_short_side`.
        min_short_side: decode a JPEG at a half, a quarter or an eighth of its size if its short side keeps that many
            pixels. That takes a third of the time for a large one; the luma of a colour may then be one level off.
        patient_key: for the patient's pseudonym in a DICOM's header (`cxr.patient_key`), which is empty without it.
        hashed: whether `sha256` is wanted, which takes longer than decoding a file that is not compressed.

    Raises:
        UnreadableImage: if it is missing, empty, damaged, animated, too large, too costly to decode or not an image.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    try:
        raw = source if isinstance(source, bytes) else file_bytes(source)
        if not raw:
            raise UnreadableImage("is empty")
        if len(raw) > MAX_FILE_BYTES:
            raise UnreadableImage(FILE_TOO_LARGE)
        decode = radiograph.decode if is_cheap(raw) else isolation.decode
        read = decode(raw, min_short_side, patient_key)
        if hashed and not read.sha256:
            read = replace(read, sha256=hashlib.sha256(raw).hexdigest())
        if short_side is None:
            return read
        return replace(read, pixels=resize_to_short_side(read.pixels, short_side))
    except UnreadableImage as error:
        raise UnreadableImage(error.reason, name) from error


def file_bytes(path: Path) -> bytes:
    """The content of a regular file, one byte more than `MAX_FILE_BYTES` at most.

    Raises:
        UnreadableImage: if it cannot be opened, or is a folder, a pipe or a device, which might never end.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UnreadableImage("is not a regular file")
            return stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableImage("does not exist") from None
    except IsADirectoryError:
        raise UnreadableImage("is a folder") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be opened ({error.strerror})") from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Opening a pipe would wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
