"""Rendering: PNG encoding, previews, and the class activation map as a colour overlay.

The overlay is transparent where nothing is evidence for COVID, and more opaque the more evidence there is, on one scale
for all images and models.
"""

import base64
import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.serving.answer import Explanation

FULL = 12.0
"""Evidence, in units of the logit, that is drawn at full strength, whatever the image and the model.

A place's evidence counts in the logit by its share of the area: at this strength, a quarter of what the network sees
adds 3 and so makes a probability of 0.95 from even odds. Opacities seldom cover more, so the map of a sure answer
reaches full strength somewhere. That of an answer of 0.5 has 0.7 in all to show, and that of 0.01 has 0.01: even in one
cell of 7 × 7 that is 4 % of full strength.
"""

_MAX_ALPHA = 230
_OVERLAY_SIDE = 160
_SHADES = 96, 220
_BLUR = 0.02
"""Standard deviation of the blur that smooths the edges of cells and of the network's crop, in sides of the overlay."""


def _colour_table() -> NDArray[np.uint8]:
    """RGBA of every strength, uint8 (256, 4): opacity is proportional to it, and no colour is dark."""
    shades = np.linspace(*_SHADES, 256).round().astype(np.uint8)[None]
    colours = cv2.cvtColor(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.dstack([colours, np.linspace(0, _MAX_ALPHA, 256).round().astype(np.uint8)[None]])[0]


_COLOURS = _colour_table()


def overlay(net_evidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Positive evidence, float32 (H, W) with NaN outside the network's crop → uint8 RGBA (H, W, 4)."""
    evidence = np.nan_to_num(net_evidence, nan=0.0)
    smooth = cv2.GaussianBlur(evidence, (0, 0), max(1.0, _BLUR * max(evidence.shape)))
    return _COLOURS[np.round(255 * (smooth / FULL).clip(0, 1)).astype(np.uint8)]


def overlay_png(explanation: Explanation, image_size: tuple[int, int]) -> str:
    """The overlay as a base64 PNG, RGBA, in the proportions of the image (width, height), at most 160 pixels a side.

    The map has no finer detail; stretched over the image, it lies where the network looked.
    """
    size = shrunk_size(image_size, _OVERLAY_SIDE)
    return base64_png(overlay(explanation.net_evidence_over_image(size)))


def blended(image: Image.Image, net_evidence: NDArray[np.float32]) -> Image.Image:
    """A gray image under its overlay at half strength, RGB; the evidence is float32 of the same size."""
    heat = overlay(net_evidence)
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
