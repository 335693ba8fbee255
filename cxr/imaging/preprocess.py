"""The one way from a grayscale radiograph to what the network sees; training, evaluation and serving all use it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, BaseImageProcessor, ConvNextImageProcessorPil
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from cxr.imaging.geometry import CROP_PCT, WARPED_FROM, check_elongation, resize_to_short_side, visible_box

_GAP = 2.0
"""By how much averages may still be finer than what is made of them."""


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
    """Load a saved processor with the PIL backend: others differ by up to five gray levels a pixel."""
    return AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)


def to_pixel_values(images: Sequence[Image.Image | np.ndarray], processor: BaseImageProcessor) -> torch.Tensor:
    """Grayscale 8-bit pictures → float32 tensor of shape (N, 3, input_size, input_size), normalised.

    The gray channel is repeated three times: the processor takes nothing but 3-channel 8-bit input. What it would do
    to each of the three is done before, once; its own resize then changes nothing.
    """
    short = processor_short_side(processor)
    grays = (np.asarray(image, dtype=np.uint8) for image in images)
    rgb = [
        np.repeat((gray if short is None else resize_to_short_side(gray, short))[..., None], 3, axis=2)
        for gray in grays
    ]
    return processor(images=rgb, input_data_format="channels_last", return_tensors="pt")["pixel_values"]


def processor_short_side(processor: BaseImageProcessor) -> int | None:
    """The short side, in pixels, that a processor resizes to before its crop; None if it works in another way."""
    if not isinstance(processor, ConvNextImageProcessorPil) or not processor.do_resize:
        return None
    side = processor.size.shortest_edge
    crops = side is not None and side < WARPED_FROM and processor.resample == Image.Resampling.BICUBIC
    return int(side / processor.crop_pct) if crops else None


class FastPixelValues:
    """`to_pixel_values` for one picture at a time, in a third of its time and nearly the same.

    For processors of which `resized_to` knows the short side. Nothing is resized but what the crop will leave, large
    pictures from averages over squares (Pillow's `reducing_gap`). Gray values are looked up in a table that the
    processor itself has filled, rather than repeated, rescaled and normalised anew.
    """

    def __init__(self, processor: BaseImageProcessor):
        self._short, self._side = processor_short_side(processor), processor.size.shortest_edge
        shades = np.resize(np.arange(256, dtype=np.uint8), (self._side, self._side))
        margin = self._short - self._side
        framed = np.pad(shades, (margin // 2, margin - margin // 2))
        normalised = to_pixel_values([framed], processor)[0].flatten(1)[:, :256]
        self._table = np.ascontiguousarray(normalised.numpy())

    def __call__(self, pixels: np.ndarray) -> torch.Tensor:
        """Grayscale uint8 (H, W) → float32 (1, 3, input_size, input_size), normalised.

        Raises:
            UnreadableImage: if the picture is far too elongated.
        """
        check_elongation(pixels, self._short)
        box = visible_box(pixels.shape[::-1], self._side, self._short)
        factor = max(1, int(min(pixels.shape) / self._short / _GAP))
        if factor > 1:
            height, width = (side // factor for side in pixels.shape)
            whole = pixels[: factor * height, : factor * width]
            pixels, box = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.divide(box, factor)
        shown = Image.fromarray(pixels).resize((self._side, self._side), Image.Resampling.BICUBIC, tuple(box))
        return torch.from_numpy(np.take(self._table, np.asarray(shown), axis=1)[None])
