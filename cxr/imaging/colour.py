"""Colours in images that should have none: how they become gray, and how strong they are.

A photograph of a screen or film, once turned gray, can look like the X-ray it shows. Its colours give it away: a
camera's white balance and the interference of the two pixel grids leave a colour cast. In 792 X-ray files of four
collections the channels differ by at most 6 levels (median over an image's pixels), in generated photographs of screens
by 14 to 42.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

PHOTOGRAPH_THRESHOLD = 9
"""Colour cast, in levels of 255, from which on an image is taken for a photograph."""

Values = NDArray[np.integer] | NDArray[np.floating]
"""Pixel values of any depth."""

_GRAY_MODES = ("1", "L", "LA", "La", "F")
_SIDE = 128
_OPAQUE = 255
_LUMA = 19595, 38470, 7471


def to_gray(image: Image.Image) -> NDArray[np.uint8]:
    """An image of any 8-bit or 1-bit mode as gray (H, W), transparency laid over black."""
    if image.mode in ("L", "1") and "transparency" not in image.info:
        return np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.has_transparency_data and image.mode != "1":
        return np.asarray(_over_black(image.convert("RGBA")))
    if image.mode == "P":
        return _looked_up(image)
    return np.asarray((image if image.mode == "RGB" else image.convert("RGB")).convert("L"))


def _looked_up(image: Image.Image) -> NDArray[np.uint8]:
    """A palette image as gray, without turning each pixel into a colour first."""
    shades = Image.frombytes("P", (256, 1), bytes(range(256)))
    shades.putpalette(image.getpalette() or [])
    return np.asarray(cv2.LUT(np.asarray(image), np.asarray(shades.convert("RGB").convert("L"))[0]), np.uint8)


def _over_black(image: Image.Image) -> Image.Image:
    gray, alpha = image.convert("L"), image.getchannel("A")
    return gray if alpha.getextrema()[1] == 0 else ImageChops.multiply(gray, alpha)


def to_gray_exactly(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gray (H, W) of (H, W), (H, W, 3) or (H, W, 4), as `to_gray` gives it, but without copying where all is gray."""
    if pixels.ndim == 2:
        return pixels
    first, *others = (cv2.extractChannel(pixels, index) for index in range(3))
    if _is_opaque(pixels) and all(np.array_equal(first, other) for other in others):
        return np.asarray(first, np.uint8)
    return to_gray(Image.fromarray(pixels))


def to_gray_fast(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same in less time; the luma of a colour may be one level off."""
    if pixels.ndim == 2:
        return pixels
    if not _is_opaque(pixels):
        return to_gray(Image.fromarray(pixels))
    code = cv2.COLOR_RGB2GRAY if pixels.shape[2] == 3 else cv2.COLOR_RGBA2GRAY
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def _is_opaque(pixels: NDArray[np.uint8]) -> bool:
    return pixels.shape[2] == 3 or bool(np.all(cv2.extractChannel(pixels, 3) == _OPAQUE))


def luma(colour: Values) -> Values:
    """ITU-R 601 luma (H, W) of (H, W, 3) in R, G, B order: uint16 in Pillow's integer arithmetic, others as float64.

    So R = G = B stays that value exactly in uint16.
    """
    if colour.dtype != np.uint16:
        return colour @ np.array([0.299, 0.587, 0.114])
    red, green, blue = (colour[..., channel].astype(np.uint32) * np.uint32(_LUMA[channel]) for channel in range(3))
    return ((red + green + blue + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16)


def colour_cast(pixels: NDArray[np.uint8]) -> float:
    """By how many levels, of 255, the channels differ at half of the pixels or more, of (H, W) or (H, W, channels).

    A regular sample of the pixels is measured; alpha is not.
    """
    if pixels.ndim == 2:
        return 0.0
    rows, columns = (max(1, side // _SIDE) for side in pixels.shape[:2])
    red, green, blue = (pixels[::rows, ::columns, channel] for channel in range(3))
    highest, lowest = (most(most(red, green), blue) for most in (np.maximum, np.minimum))
    return float(np.median(highest - lowest))


def image_colour_cast(image: Image.Image) -> float:
    """The same of a loaded Pillow image of any mode."""
    if image.mode in _GRAY_MODES or image.mode.startswith("I"):
        return 0.0
    return colour_cast(np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST).convert("RGB")))
