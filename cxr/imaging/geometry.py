"""The image processor's resize and crop as arithmetic, without torch, for data preparation, training and serving."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.errors import UnreadableImage
from cxr.imaging.limits import MAX_PIXELS

CROP_PCT = 224 / 256
"""The side of the crop as a share of the resized short side, as in `microsoft/resnet-50`."""

WARPED_FROM = 384
"""Input size from which on the processor warps the whole image to a square instead of cropping."""


class Box(NamedTuple):
    """A rectangle in pixels of an image; edges may lie between pixels."""

    left: float
    top: float
    right: float
    bottom: float


def short_side(input_size: int) -> int:
    """The short side in pixels that the processor resizes to before its crop: 256 for 224, 182 for 160."""
    return int(input_size / CROP_PCT)


def resized_size(size: tuple[int, int], short: int) -> tuple[int, int]:
    """(width, height) after the processor's resize to a short side of `short`; the long side is cut, not rounded."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def resize_to_short_side(pixels: NDArray[np.uint8], short: int) -> NDArray[np.uint8]:
    """Resize (H, W) to a short side of `short` with the image processor's own size rule and resampling.

    Pixel for pixel what `ConvNextImageProcessorPil` does, so that its resize of the result changes nothing.

    Raises:
        UnreadableImage: if the image is so elongated that the result would exceed `MAX_PIXELS`.
    """
    check_elongation(pixels, short)
    size = resized_size(pixels.shape[::-1], short)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def check_elongation(pixels: NDArray[np.uint8], short: int) -> None:
    """Refuse an image (H, W) so elongated that it would exceed `MAX_PIXELS` once its short side is `short`.

    Raises:
        UnreadableImage: if it is.
    """
    width, height = resized_size(pixels.shape[::-1], short)
    if width * height > MAX_PIXELS:
        raise UnreadableImage("is too elongated for a radiograph")


def visible_box(size: tuple[int, int], input_size: int, short: int | None = None) -> Box:
    """The part of an image of `size` (width, height) that reaches the network, in the image's pixels.

    The processor crops the centre of the resized image, whose short side is `short` (by default `short_side`); from
    `WARPED_FROM` on it warps the whole image instead.
    """
    if input_size >= WARPED_FROM:
        return Box(0.0, 0.0, float(size[0]), float(size[1]))
    resized = resized_size(size, short or short_side(input_size))
    scale_x, scale_y = size[0] / resized[0], size[1] / resized[1]
    left, top = ((side - input_size) // 2 for side in resized)
    return Box(left * scale_x, top * scale_y, (left + input_size) * scale_x, (top + input_size) * scale_y)
