"""The commonest files, decoded sooner than Pillow does it and bit for bit the same; Pillow judges all others.

What Pillow copies and converts on its way from a decoder to a gray picture takes half of a large JPEG's time: the same
decoders (libjpeg-turbo, libwebp) asked for plain arrays do without. PNG goes to a decoder in Rust, which takes half of
libpng's time, cannot be led out of its memory, and refuses what damage does to a file by its checksums, as Pillow does.
"""

import cv2
import imagecodecs
import numpy as np
from kornia_rs.io import decode_image_png_u8
from PIL import ExifTags, Image

_MODES = {"L": "mono", "RGB": "rgb", "RGBA": "rgba"}
"""Pillow's modes that all these decoders know, by the name that kornia_rs gives them."""

_END_OF_JPEG = b"\xff\xd9"
_PNG_ORIENTATION = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""Where a PNG may keep its orientation, before its pixels or behind them."""

_OPAQUE = 255


def pixels(image: Image.Image, raw: bytes) -> np.ndarray | None:
    """The picture that Pillow has opened and not yet loaded, uint8 (H, W) or (H, W, 3 or 4), from its bytes.

    None where only Pillow may tell what is in the file: a format or mode not of these, anything that a decoder
    stumbles over, a JPEG without an end (libjpeg would fill what is cut off with gray), what EXIF may have turned.
    """
    decode = _DECODERS.get(image.format)
    if decode is None or image.mode not in _MODES or "transparency" in image.info or not _is_plain(image, raw):
        return None
    try:
        found = decode(image, raw)
    except Exception:  # kornia_rs raises nothing narrower over a broken PNG
        return None
    bands = len(image.getbands())
    expected = (image.height, image.width, bands)[: 2 if bands == 1 else 3]
    return found if found.dtype == np.uint8 and found.shape == expected else None


def _is_plain(image: Image.Image, raw: bytes) -> bool:
    """Whether nothing turns the picture, and a JPEG has its end."""
    if image.format == "PNG":
        return not any(keyword in raw for keyword in _PNG_ORIENTATION)
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    return not turned and (image.format != "JPEG" or raw.endswith(_END_OF_JPEG))


def _png(image: Image.Image, raw: bytes) -> np.ndarray:
    found = decode_image_png_u8(raw, (image.height, image.width), _MODES[image.mode])
    return found[..., 0] if image.mode == "L" else found


_DECODERS = {
    "PNG": _png,
    "JPEG": lambda image, raw: imagecodecs.jpeg8_decode(raw),
    "WEBP": lambda image, raw: imagecodecs.webp_decode(raw),
}


def gray(found: np.ndarray) -> np.ndarray | None:
    """An array of `pixels` as uint8 (H, W) if all that it shows is gray and opaque, otherwise None."""
    if found.ndim == 2:
        return found
    first, *others = (cv2.extractChannel(found, index) for index in range(3))
    return first if _is_opaque(found) and all(np.array_equal(first, other) for other in others) else None


def nearly_gray(found: np.ndarray) -> np.ndarray | None:
    """The luma of an opaque array of `pixels`, uint8 (H, W), rounded otherwise than Pillow rounds that of colours."""
    if found.ndim == 2:
        return found
    code = cv2.COLOR_RGB2GRAY if found.shape[2] == 3 else cv2.COLOR_RGBA2GRAY
    return cv2.cvtColor(found, code) if _is_opaque(found) else None


def _is_opaque(found: np.ndarray) -> bool:
    return found.shape[2] == 3 or bool(np.all(cv2.extractChannel(found, 3) == _OPAQUE))
