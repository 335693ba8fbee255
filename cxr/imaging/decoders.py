"""From the bytes of PNG, JPEG, WEBP, TIFF, BMP and GIF to 8-bit gray, by the fastest decoder that agrees with Pillow.

- The commonest 8-bit files: libjpeg-turbo and libwebp through imagecodecs, without the conversions that take half of a
  large JPEG's time in Pillow. PNG by kornia-rs, a memory-safe decoder that takes under half the time of libpng, libspng
  and OpenCV and, like Pillow, refuses damage by the file's checksums.
- Deep TIFF by tifffile, and 16-bit PNG with colour or alpha by libpng: Pillow cuts these to their high byte or cannot
  read them. Uncompressed TIFF by tifffile too, without Pillow's copies.
- Everything else by Pillow.
"""

import io
import math
from typing import NamedTuple

import imagecodecs
import numpy as np
from kornia_rs.io import decode_image_png_u8
from numpy.typing import NDArray
from PIL import Image, ImageMode, UnidentifiedImageError

from cxr.errors import UnreadableImage
from cxr.imaging import bit_depth, colour
from cxr.imaging.formats import gif, tiff_page
from cxr.imaging.formats.file_type import IMAGE_SIGNATURES, TIFF_SIGNATURES
from cxr.imaging.formats.metadata import SIDEWAYS, orientation, turn_upright, without_metadata
from cxr.imaging.limits import DAMAGED, check_scans, check_size, mute_logger, refusing_damage

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
NO_IMAGE = "is not an image we can read (PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM)"
SEVERAL_PAGES = "contains several pages"
UNKNOWN_TIFF = "is a kind of TIFF that we cannot read at its full depth"

_KORNIA_MODES = {"L": "mono", "RGB": "rgb", "RGBA": "rgba"}
"""Pillow's modes that all fast decoders know, and kornia-rs's names for them."""

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_DEEP_PNG_MODES = {2: "RGB;16", 4: "LA;16", 6: "RGBA;16"}
"""By the colour type in a PNG's header; gray 16-bit PNG is left to Pillow."""

_END_OF_JPEG = b"\xff\xd9"
_PNG_ORIENTATION = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""Where a PNG may keep its orientation, before its pixels or after them."""

_ORIENTATION_TAG = 274
_PNG_START = b"\x89PNG"
_JPEG_START = b"\xff\xd8"
_JPEG_IN_TIFF = (6, 7)


class DecodedImage(NamedTuple):
    """An image as 8-bit gray (H, W), upright.

    `size` is the (width, height) of the whole image, also where it was decoded at reduced size; `mode` and `format` say
    what the file stores (see `reader.Radiograph`).
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    mode: str
    format: str
    colour_cast: float = 0.0


def decode(raw: bytes, min_short_side: int | None = None, is_cheap: bool = True) -> DecodedImage:
    """Decode one image file.

    Args:
        raw: the file.
        min_short_side: for haste, see `reader.read_radiograph`.
        is_cheap: False leaves the metadata of a PNG out at once: thousands of chunks would take seconds to read.

    Raises:
        UnreadableImage: if it is damaged, animated, too large, has several pages or is not an image.
    """
    if not is_cheap and raw.startswith(_PNG_START):
        raw = without_metadata(raw)
    try:
        return _decode(raw, min_short_side)
    except UnreadableImage as error:
        bare = without_metadata(raw) if error.reason == DAMAGED and raw.startswith(_PNG_START) else raw
        if len(bare) == len(raw):
            raise
    return _decode(bare, min_short_side)


def _decode(raw: bytes, min_short_side: int | None) -> DecodedImage:
    with refusing_damage():
        if raw.startswith(TIFF_SIGNATURES):
            return _decode_with_tifffile(raw) or _decode_eight_bit(raw, None)
        return _decode_deep_png(raw) or _decode_eight_bit(raw, min_short_side)


def _open(raw: bytes) -> Image.Image:
    """Open without decoding.

    Raises:
        UnreadableImage: if it is too large, or has several frames (an MPO is a JPEG with a second view, and the pages
            of a TIFF have been looked at).
    """
    try:
        image = Image.open(io.BytesIO(raw), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnreadableImage(DAMAGED if raw.startswith(IMAGE_SIGNATURES) else NO_IMAGE) from None
    check_size(*image.size, _pixel_bytes(image))
    if raw.startswith(_JPEG_START):
        check_scans(raw, image.width * image.height)
    if _is_animated(image, raw):
        raise UnreadableImage("is animated")
    return image


def _is_animated(image: Image.Image, raw: bytes) -> bool:
    if image.format == "GIF":
        return len(gif.first_frames(raw, 2)) > 1
    return image.format not in ("MPO", "TIFF") and getattr(image, "is_animated", False)


def _pixel_bytes(image: Image.Image) -> int:
    """Bytes of a pixel as Pillow names it."""
    return len(image.getbands()) * np.dtype(ImageMode.getmode(image.mode).typestr).itemsize


def _decode_eight_bit(raw: bytes, min_short_side: int | None = None) -> DecodedImage:
    with _open(raw) as image:
        mode, size = image.mode, image.size
        if min_short_side is not None and image.draft("RGB" if mode == "RGB" else "L", (min_short_side,) * 2):
            return _decode_with_pillow(image, size)
        pixels = fast_decode(image, raw)
        if pixels is None:
            return _decode_with_pillow(image, size)
    gray = colour.to_gray_exactly(pixels) if min_short_side is None else colour.to_gray_fast(pixels)
    return DecodedImage(gray, size, mode, str(image.format), colour.colour_cast(pixels))


def _decode_with_pillow(image: Image.Image, size: tuple[int, int]) -> DecodedImage:
    """Decode an opened image, perhaps at reduced size; `size` is its (width, height) as stored."""
    mode, kind = image.mode, "JPEG" if image.format == "MPO" else str(image.format)
    image.load()
    gray = bit_depth.window(np.asarray(image)) if mode in _DEEP_MODES else colour.to_gray(image)
    turned = orientation(image)
    size = size[::-1] if turned in SIDEWAYS else size
    return DecodedImage(turn_upright(gray, turned), size, mode, kind, colour.image_colour_cast(image))


def fast_decode(image: Image.Image, raw: bytes) -> NDArray[np.uint8] | None:
    """Decode `raw`, which Pillow has opened as `image` and not loaded: (H, W), (H, W, 3) or (H, W, 4), Pillow's pixels.

    None where only Pillow can judge the file: another format or mode, anything that a decoder rejects, a JPEG without
    an end (libjpeg would fill what is cut off with gray), an image that its metadata may rotate.
    """
    if image.mode not in _KORNIA_MODES or "transparency" in image.info:
        return None
    try:
        pixels = _fast_decoded(image, raw)
    except Exception:  # kornia-rs raises no narrower error over a broken PNG
        return None
    bands = len(image.getbands())
    expected = (image.height, image.width, bands)[: 2 if bands == 1 else 3]
    if pixels is None or pixels.dtype != np.uint8 or pixels.shape != expected:
        return None
    return pixels


def _fast_decoded(image: Image.Image, raw: bytes) -> NDArray[np.uint8] | None:
    if image.format == "PNG" and not any(keyword in raw for keyword in _PNG_ORIENTATION):
        pixels = decode_image_png_u8(raw, (image.height, image.width), _KORNIA_MODES[image.mode])
        return pixels[..., 0] if image.mode == "L" else pixels
    if image.format == "JPEG" and raw.endswith(_END_OF_JPEG) and orientation(image) == 1:
        return imagecodecs.jpeg8_decode(raw)
    if image.format == "WEBP" and orientation(image) == 1:
        return imagecodecs.webp_decode(raw)
    if image.format == "BMP" and image.mode == "L":
        return _bmp_rows(image, raw)
    return None


def _bmp_rows(image: Image.Image, raw: bytes) -> NDArray[np.uint8] | None:
    """The rows of an uncompressed gray BMP, where Pillow found them; imagecodecs' decoder crashes on damaged ones.

    Raises:
        ValueError: if the file ends before the last row.
    """
    tiles = getattr(image, "tile", [])  # only images of files have some
    if len(tiles) != 1 or tiles[0][0] != "raw" or not isinstance(tiles[0][3], tuple):
        return None
    offset, (mode, stride, direction) = tiles[0][2:]
    if mode != "L" or stride < image.width:
        return None
    rows = np.frombuffer(raw, np.uint8, stride * image.height, offset).reshape(image.height, stride)
    return np.ascontiguousarray(rows[::direction, : image.width])


def _decode_deep_png(raw: bytes) -> DecodedImage | None:
    """Decode a 16-bit PNG with colour or alpha; None for every other file."""
    if not raw.startswith(_PNG_START) or raw[24:25] != b"\x10" or raw[25] not in _DEEP_PNG_MODES:
        return None
    mode = _DEEP_PNG_MODES[raw[25]]
    with _open(raw) as image:
        check_size(*image.size, 2 * (len(mode) - len(";16")))
        image.load()  # libpng alone would accept some damage
        turned = orientation(image)
    gray = bit_depth.to_eight_bit_gray(imagecodecs.png_decode(raw), has_alpha="A" in mode)
    return _upright(gray, turned, mode, "PNG")


def _decode_with_tifffile(raw: bytes) -> DecodedImage | None:
    """Decode a gray or RGB TIFF that is deep, signed or real, or that is not compressed; None for every other kind."""
    import tifffile  # deferred: it takes 0.2 s, and few collections hold TIFF

    mute_logger("tifffile")
    with tifffile.TiffFile(io.BytesIO(raw)) as file:
        page = file.pages.first
        tiff_page.check_segments(page, len(raw))
        if tiff_page.has_second_image(file):
            raise UnreadableImage(SEVERAL_PAGES)
        if page.compression in _JPEG_IN_TIFF:
            check_scans(raw, page.imagewidth * page.imagelength, math.prod(page.chunked))
        mode = tiff_page.deep_mode(page) or tiff_page.plain_mode(page)
        if mode is None:
            return None
        check_size(page.imagewidth, page.imagelength, page.samplesperpixel * np.max(page.bitspersample) / 8)
        check_size(page.tilewidth, page.tilelength)
        if not tiff_page.is_supported(page):
            raise UnreadableImage(UNKNOWN_TIFF)
        if not tiff_page.has_all_segments(page):
            raise UnreadableImage(DAMAGED)
        values = page.asarray(maxworkers=1)
    turned = page.tags.valueof(_ORIENTATION_TAG, 1)
    if mode in _KORNIA_MODES:
        gray = colour.to_gray_exactly(values)
        return _upright(gray, turned, mode, "TIFF")._replace(colour_cast=colour.colour_cast(values))
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    gray = bit_depth.to_eight_bit_gray(values, has_alpha=tiff_page.UNASSOCIATED_ALPHA in page.extrasamples)
    if page.photometric == tiff_page.MIN_IS_WHITE:
        gray = 255 - gray
    return _upright(gray, turned, mode, "TIFF")


def _upright(gray: NDArray[np.uint8], orientation: int, mode: str, kind: str) -> DecodedImage:
    pixels = turn_upright(gray, orientation)
    return DecodedImage(pixels, pixels.shape[::-1], mode, kind)
