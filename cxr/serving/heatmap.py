"""Rendering: PNG encoding, previews, and the class activation map as a colour overlay.

The overlay is transparent where nothing is evidence for COVID, and bright where much is.
"""

import base64
import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.serving.answer import Explanation

FAINT = 1.0
"""Evidence, in units of the logit, that a map's strongest place needs to be drawn at full intensity."""

_MAX_ALPHA = 230
_OVERLAY_SIDE = 160


def _colour_table() -> NDArray[np.uint8]:
    """RGBA of every shade, uint8 (256, 4)."""
    shades = np.arange(256, dtype=np.uint8)[None]
    colours = cv2.cvtColor(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.dstack([colours, np.round(_MAX_ALPHA * np.sqrt(shades / 255)).astype(np.uint8)])[0]


_COLOURS = _colour_table()


def overlay(map_over_image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map, float32 (H, W) with NaN outside the network's crop → uint8 RGBA (H, W, 4)."""
    evidence = np.nan_to_num(map_over_image, nan=0.0).clip(min=0)
    strength = evidence / max(float(evidence.max()), FAINT)
    shades = np.round(255 * strength).astype(np.uint8)
    return _COLOURS[shades]


def overlay_png(explanation: Explanation, image_size: tuple[int, int]) -> str:
    """The overlay as a base64 PNG, RGBA, in the proportions of the image (width, height), at most 160 pixels a side.

    The map has no finer detail; stretched over the image, it lies where the network looked.
    """
    size = shrunk_size(image_size, _OVERLAY_SIDE)
    return base64_png(overlay(explanation.map_over_image(size)))


def blended(image: Image.Image, map_over_image: NDArray[np.float32]) -> Image.Image:
    """A gray image under its overlay at half strength, RGB; the map is float32 of the same size."""
    heat = overlay(map_over_image)
    heat[..., 3] //= 2
    return Image.alpha_composite(image.convert("RGBA"), Image.fromarray(heat)).convert("RGB")


def shrunk_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(width, height) scaled down until neither exceeds `longest`; smaller sizes stay as they are."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An image, uint8 (H, W) or (H, W, channels), as a PNG file; compressed for speed, not for size."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def base64_png(pixels: NDArray[np.uint8]) -> str:
    """The same in base64."""
    return base64.b64encode(png(pixels)).decode()
