"""The one way from a grayscale radiograph to the network's input, for training, evaluation and serving."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, BaseImageProcessor, ConvNextImageProcessorPil
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from cxr.imaging.geometry import CROP_PCT, WARPED_FROM, check_elongation, resize_to_short_side, visible_box
from cxr.imaging.processor_settings import check_processor_settings

_REDUCING_GAP = 2.0
"""How much finer than the result an image must stay when it is averaged down before its resize."""


def make_processor(input_size: int, crop_pct: float = CROP_PCT) -> ConvNextImageProcessorPil:
    """The processor of `microsoft/resnet-50` (bicubic, centre crop of 87.5 %, ImageNet statistics) at one size."""
    return ConvNextImageProcessorPil(
        size={"shortest_edge": input_size},
        crop_pct=crop_pct,
        resample=Image.Resampling.BICUBIC,
        image_mean=IMAGENET_DEFAULT_MEAN,
        image_std=IMAGENET_DEFAULT_STD,
    )


def load_processor(folder: Path | str) -> BaseImageProcessor:
    """Load a saved processor with the PIL backend: others differ by up to five gray levels per pixel.

    Raises:
        ValueError: if its file has values that it cannot have.
        OSError: if it cannot be read.
    """
    check_processor_settings(Path(folder))
    return AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)


def to_pixel_values(
    images: Sequence[Image.Image | NDArray[np.uint8]], processor: BaseImageProcessor, channels: int = 3
) -> torch.Tensor:
    """Normalised float32 (N, C, input_size, input_size) of 8-bit grayscale images (H, W).

    The gray channel is repeated to `channels`, those that the processor takes: three for our own and most others. Each
    image is resized once before that; the processor's own resize then changes nothing.
    """
    short = processor_short_side(processor)
    grays = (np.asarray(image, dtype=np.uint8) for image in images)
    if short is not None:
        grays = (resize_to_short_side(gray, short) for gray in grays)
    repeated = [np.repeat(gray[..., None], channels, axis=2) for gray in grays]
    return processor(images=repeated, input_data_format="channels_last", return_tensors="pt")["pixel_values"]


def processor_short_side(processor: BaseImageProcessor) -> int | None:
    """The short side in pixels that a processor resizes to before its crop; None if it works in another way."""
    if not isinstance(processor, ConvNextImageProcessorPil) or not processor.do_resize:
        return None
    side = processor.size.get("shortest_edge")
    if side is None or side >= WARPED_FROM or processor.resample != Image.Resampling.BICUBIC:
        return None
    return int(side / processor.crop_pct)


class FastPixelValues:
    """Nearly `to_pixel_values`, of one image at a time, in a third of the time.

    Only what the crop keeps is resized, for large images from averages over squares (as with Pillow's `reducing_gap`).
    Normalised values are looked up in a table that the processor itself has filled.

    Raises:
        ValueError: for a processor whose `processor_short_side` is unknown.
    """

    def __init__(self, processor: BaseImageProcessor):
        short = processor_short_side(processor)
        if short is None or not isinstance(processor, ConvNextImageProcessorPil):
            raise ValueError("this processor does not crop the centre of a resized image")
        self._short, self._side = short, processor.size["shortest_edge"]
        shades = np.resize(np.arange(256, dtype=np.uint8), (self._side, self._side))
        margin = self._short - self._side
        framed = np.pad(shades, (margin // 2, margin - margin // 2))
        normalised = to_pixel_values([framed], processor)[0].flatten(1)[:, :256]
        self._table = np.ascontiguousarray(normalised.numpy())

    def __call__(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised float32 (1, 3, input_size, input_size) of a grayscale image (H, W).

        Raises:
            UnreadableImage: if the image is far too elongated.
        """
        check_elongation(pixels, self._short)
        left, top, right, bottom = visible_box(pixels.shape[::-1], self._side, self._short)
        factor = max(1, int(min(pixels.shape) / self._short / _REDUCING_GAP))
        if factor > 1:
            height, width = (side // factor for side in pixels.shape)
            whole = pixels[: factor * height, : factor * width]
            pixels = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        box = (left / factor, top / factor, right / factor, bottom / factor)
        resized = Image.fromarray(pixels).resize((self._side, self._side), Image.Resampling.BICUBIC, box)
        return torch.from_numpy(np.take(self._table, np.asarray(resized), axis=1)[None])
