"""The one reader: any picture file → the 8-bit grayscale radiograph that everything downstream sees.

What is decided here, once, for preparation, training and serving:

- The content decides what a file is, never its name.
- 8-bit gray passes bit for bit; colour becomes gray by ITU-R 601 luma, which leaves R = G = B exactly as it was.
- Transparent pixels are laid over black, the background of a radiograph. A picture that is transparent everywhere is
  taken for a broken export and its alpha ignored.
- Deeper pictures are windowed (`cxr.imaging.bit_depth.window`), never clipped to white.
- DICOM is shown as a viewer shows it (`dicom.pixels`): its own window where it has one, else that of every other
  deep picture, MONOCHROME1 turned round. Of its header only what names nobody is passed on.
- EXIF orientation is applied. ICC profiles are ignored: gray values of a radiograph are measurements, hardly any
  viewer or public collection applies profiles to them, and applying one would part files that hold the same pixels.
- JPEG is decoded in full: decoding at reduced size (`draft`) gives pixels that differ from resizing the full picture.
  Only an answer that may be off in the third digit asks for it, by `min_short_side`.
- What is common is decoded by `cxr.imaging.fast_decode`, and what is not by Pillow: the same pixels, sooner.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageOps, UnidentifiedImageError

from cxr.errors import UnreadableImage
from cxr.imaging import bit_depth, colour_cast, fast_decode
from cxr.imaging.dicom.header import DicomHeader
from cxr.imaging.file_type import HEAD_BYTES, IMAGE_SIGNATURES, TIFF_SIGNATURES, looks_like_dicom
from cxr.imaging.geometry import resized_size
from cxr.imaging.unreadable import DAMAGED, MAX_PIXELS, check_size, decoders_failing_cleanly

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
NO_IMAGE = "is no image we can read (PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM)"
SEVERAL_PAGES = "holds several pages"
TOO_ODD = "is a kind of TIFF we cannot read at its full depth"

_TURNED = (5, 6, 7, 8)
"""EXIF orientations that lay a picture on its side."""

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


@dataclass(frozen=True)
class Radiograph:
    """A picture as the network's side sees it, and what the raw file was.

    `pixels` is uint8 (H, W). `width` and `height` are the raw picture's as it is looked at: after EXIF rotation,
    before any resize. `mode` is Pillow's name for what the file stores, with the depth where Pillow has no name
    ("RGB;16"); `format` is the file format, `sha256` the hash of the raw bytes.

    Of DICOM `sha256` is the hash of the stored pixels, because the raw bytes hold a name, and `header` what may be
    known of the picture; it is None for every other format. `colour_cast` says how coloured an 8-bit
    picture is (`colour_cast`).
    """

    pixels: np.ndarray
    width: int
    height: int
    mode: str
    format: str
    sha256: str
    header: DicomHeader | None = None
    colour_cast: float = 0.0


@dataclass(frozen=True)
class _Decoded:
    """The picture as 8-bit gray (H, W) the right way up, the mode that the file stores and its format."""

    pixels: np.ndarray
    mode: str
    format: str
    sha256: str = ""
    header: DicomHeader | None = None
    full: tuple[int, int] | None = None
    """(width, height) of the picture where it was decoded at reduced size."""

    cast: float = 0.0


def read_radiograph(
    source: bytes | Path,
    *,
    short_side: int | None = None,
    min_short_side: int | None = None,
    patient_key: bytes | None = None,
) -> Radiograph:
    """Read one picture from its bytes or its file; with `short_side`, resized by `resize_to_short_side`.

    With `min_short_side`, a JPEG is decoded at a half, a quarter or an eighth of its size if its short side keeps that
    many pixels, which takes a third of the time for a large one, and the luma of a colour may be one level off. A
    `patient_key` (`cxr.patient_key`) gives a DICOM's header its patient's pseudonym; without one it stays empty.

    Raises:
        UnreadableImage: if it is missing, empty, damaged, animated, too large or no image at all.
    """
    name = "the picture" if isinstance(source, bytes) else str(source)
    try:
        raw = source if isinstance(source, bytes) else _file_bytes(source)
        found = _decode(raw, min_short_side, patient_key)
        width, height = found.full or found.pixels.shape[::-1]
        pixels = found.pixels if short_side is None else resize_to_short_side(found.pixels, short_side)
    except UnreadableImage as error:
        raise UnreadableImage(error.reason, name) from error
    sha256 = found.sha256 or hashlib.sha256(raw).hexdigest()
    return Radiograph(pixels, width, height, found.mode, found.format, sha256, found.header, found.cast)


def resize_to_short_side(pixels: np.ndarray, short: int) -> np.ndarray:
    """Resize uint8 (H, W) to a short side of `short` with the image processor's own size rule and resampling.

    Pixel for pixel what `ConvNextImageProcessorPil` does, so that its resize of the result changes nothing.

    Raises:
        UnreadableImage: if the picture is so elongated that the result would pass `MAX_PIXELS`.
    """
    check_elongation(pixels, short)
    size = resized_size(pixels.shape[::-1], short)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def check_elongation(pixels: np.ndarray, short: int) -> None:
    """Refuse a picture, (H, W), so elongated that it would pass `MAX_PIXELS` once its short side is `short`.

    Raises:
        UnreadableImage: if it is.
    """
    width, height = resized_size(pixels.shape[::-1], short)
    if width * height > MAX_PIXELS:
        raise UnreadableImage("is too elongated for a radiograph")


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage("does not exist") from None
    except IsADirectoryError:
        raise UnreadableImage("is a folder") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be opened ({error.strerror})") from error


def _decode(raw: bytes, at_least: int | None, patient_key: bytes | None) -> _Decoded:
    if not raw:
        raise UnreadableImage("is empty")
    if looks_like_dicom(raw[:HEAD_BYTES]):
        return _with_pydicom(raw, patient_key)
    if raw.startswith(TIFF_SIGNATURES):
        return _deep_tiff(raw) or _with_pillow(raw)
    return _deep_png(raw) or _with_pillow(raw, at_least)


def _with_pydicom(raw: bytes, patient_key: bytes | None) -> _Decoded:
    from cxr.imaging.dicom import reader  # here, because many collections hold none

    found = reader.read_dicom(raw, patient_key)
    return _Decoded(_gray(found.image), found.mode, "DICOM", found.sha256, found.header)


def _with_pillow(raw: bytes, at_least: int | None = None) -> _Decoded:
    with decoders_failing_cleanly(), _open(raw) as image:
        mode, kind, full = image.mode, image.format, image.size
        drafted = at_least is not None and image.draft("RGB" if mode == "RGB" else "L", (at_least, at_least))
        found = None if drafted else fast_decode.pixels(image, raw)
        if found is not None:
            seen = fast_decode.gray(found) if at_least is None else fast_decode.nearly_gray(found)
            pixels = _gray(Image.fromarray(found)) if seen is None else seen
            return _Decoded(pixels, mode, kind, cast=colour_cast.measure_colour_cast(found))
        image.load()
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
        ImageOps.exif_transpose(image, in_place=True)
        found_cast = colour_cast.measure_image_colour_cast(image)
    upright = Image.fromarray(bit_depth.window(np.asarray(image))) if mode in _DEEP_MODES else image
    full, kind = full[::-1] if turned else full, "JPEG" if kind == "MPO" else kind
    return _Decoded(_gray(upright), mode, kind, full=full, cast=found_cast)


def _open(raw: bytes, unknown_kind: str = DAMAGED) -> Image.Image:
    """Open lazily and refuse what is too large or has several frames (an MPO is a JPEG with a second view)."""
    try:
        image = Image.open(io.BytesIO(raw), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnreadableImage(unknown_kind if raw.startswith(IMAGE_SIGNATURES) else NO_IMAGE) from None
    check_size(*image.size)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UnreadableImage(SEVERAL_PAGES if image.format == "TIFF" else "is animated")
    return image


def _deep_png(raw: bytes) -> _Decoded | None:
    mode = bit_depth.png_mode(raw)
    if mode is None:
        return None
    with decoders_failing_cleanly(), _open(raw) as image:
        image.load()  # OpenCV would fill what is cut off with black
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    values = bit_depth.decode(raw)
    if values is None:
        raise UnreadableImage(DAMAGED)
    upright = bit_depth.to_eight_bits(values, mode.endswith("A"))
    upright.getexif()[ExifTags.Base.Orientation] = orientation
    return _Decoded(_gray(ImageOps.exif_transpose(upright)), f"{mode};16", "PNG")


def _deep_tiff(raw: bytes) -> _Decoded | None:
    with decoders_failing_cleanly():
        header = bit_depth.TiffHeader(raw)
    if header.mode is None:
        return None
    check_size(*header.size)
    if header.pages > 1:
        raise UnreadableImage(SEVERAL_PAGES)
    values = None if header.planar else bit_depth.decode(raw)
    if values is None or values.dtype == np.uint8:
        values = _pillow_values(raw)
    image = bit_depth.to_eight_bits(values, header.has_alpha)
    return _Decoded(_gray(ImageOps.invert(image) if header.white_is_zero else image), header.mode, "TIFF")


def _pillow_values(raw: bytes) -> np.ndarray:
    """The values of a deep gray TIFF that OpenCV cannot read; tells what is cut off from what neither can read."""
    with decoders_failing_cleanly(), _open(raw, unknown_kind=TOO_ODD) as image:
        image.load()
    if image.mode not in _DEEP_MODES:
        raise UnreadableImage(TOO_ODD)
    return np.asarray(image)


def _gray(image: Image.Image) -> np.ndarray:
    with decoders_failing_cleanly():
        return np.asarray(_flatten(image))


def _flatten(image: Image.Image) -> Image.Image:
    """Any 8-bit (or 1-bit) mode to "L", transparency laid over black."""
    if image.mode == "L" and not image.has_transparency_data:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data:
        return _over_black(image.convert("RGBA"))
    return (image if image.mode == "RGB" else image.convert("RGB")).convert("L")


def _over_black(image: Image.Image) -> Image.Image:
    gray, alpha = image.convert("L"), image.getchannel("A")
    return gray if alpha.getextrema()[1] == 0 else ImageChops.multiply(gray, alpha)
