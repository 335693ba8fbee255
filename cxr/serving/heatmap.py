"""The class activation map as a picture: transparent where nothing speaks for COVID, hot where much does."""

import cv2
import numpy as np
from PIL import Image

FAINT = 1.0
"""Evidence, in units of the logit, that a map's hottest place needs to be drawn at full strength."""

_MOST_OPAQUE = 230


def _colours() -> np.ndarray:
    """RGBA of every shade, uint8 (256, 4)."""
    shades = np.arange(256, dtype=np.uint8)[None]
    colours = cv2.cvtColor(cv2.applyColorMap(shades, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.dstack([colours, np.round(_MOST_OPAQUE * np.sqrt(shades / 255)).astype(np.uint8)])[0]


_COLOURS = _colours()


def overlay(laid: np.ndarray) -> np.ndarray:
    """A map laid over a picture, float32 (H, W) with NaN where nothing was seen → uint8 RGBA (H, W, 4)."""
    evidence = np.nan_to_num(laid, nan=0.0).clip(min=0)
    strength = evidence / max(float(evidence.max()), FAINT)
    shades = np.round(255 * strength).astype(np.uint8)
    return _COLOURS[shades]


def blended(image: Image.Image, laid: np.ndarray) -> Image.Image:
    """A gray picture with its map, float32 of the same size, over it at half its strength; RGB."""
    heat = overlay(laid)
    heat[..., 3] //= 2
    return Image.alpha_composite(image.convert("RGBA"), Image.fromarray(heat)).convert("RGB")


def preview(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The (width, height) of a picture shrunk until neither is more than `longest`; small pictures keep theirs."""
    share = min(1.0, longest / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))
