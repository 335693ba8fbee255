"""Generated images that are not upright chest X-rays: what the gate learns to reject.

Half of the kinds are made from an X-ray (rotated, inverted, cut up, its phases scrambled), so that neither brightness
nor sharpness nor spectrum alone identifies them; the others stand for what people upload by mistake. Photographs are
imitated by occluding shapes of all sizes ("dead leaves", Lee, Mumford & Huang 2001, doi 10.1023/A:1011109015675), which
have the statistics of natural images.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Maker = Callable[[np.random.Generator, Image], Image]
_GLYPHS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:()-%"))


def _inverted(rng: np.random.Generator, xray: Image) -> Image:
    return 255 - xray


def _upside_down(rng: np.random.Generator, xray: Image) -> Image:
    """Rotated by half a turn or flipped: both put the diaphragm above the shoulders."""
    return np.rot90(xray, 2) if rng.random() < 0.5 else np.flipud(xray)


def _quarter_turn_left(rng: np.random.Generator, xray: Image) -> Image:
    return np.rot90(xray)


def _quarter_turn_right(rng: np.random.Generator, xray: Image) -> Image:
    return np.rot90(xray, -1)


def _inverted_and_turned(rng: np.random.Generator, xray: Image) -> Image:
    return np.rot90(255 - xray, int(rng.integers(1, 4)))


def _shuffled(rng: np.random.Generator, xray: Image) -> Image:
    """The X-ray's own pixels in 2 × 2 to 8 × 8 tiles in random order."""
    tiles = int(rng.integers(2, 9))
    height, width = xray.shape[0] // tiles, xray.shape[1] // tiles
    cut = xray[: tiles * height, : tiles * width].reshape(tiles, height, tiles, width).swapaxes(1, 2)
    mixed = rng.permutation(cut.reshape(-1, height, width)).reshape(tiles, tiles, height, width)
    return mixed.swapaxes(1, 2).reshape(tiles * height, tiles * width)


def _scrambled(rng: np.random.Generator, xray: Image) -> Image:
    """The X-ray's spectrum with random phases: clouds as bright and as smooth as the X-ray."""
    spectrum = np.fft.rfft2(xray.astype(np.float32))
    phases = np.angle(np.fft.rfft2(rng.standard_normal(xray.shape)))
    phases[0, 0] = 0.0
    return _to_bytes(np.fft.irfft2(np.abs(spectrum) * np.exp(1j * phases), xray.shape))


def _noise(rng: np.random.Generator, xray: Image) -> Image:
    """Grains of one size and one distribution: normal, uniform, or salt and pepper."""
    grain = rng.choice((1, 1, 2, 4, 8, 16, 32))
    shape = tuple(max(2, side // grain) for side in xray.shape)
    normal, uniform = rng.standard_normal(shape), rng.random(shape)
    peppered = np.where(uniform < rng.uniform(0.02, 0.5), rng.integers(0, 2, shape), rng.random())
    field = (rng.uniform(0, 1) + rng.uniform(0.05, 0.4) * normal, uniform, peppered)[rng.integers(3)]
    smooth = rng.choice((cv2.INTER_NEAREST, cv2.INTER_CUBIC))
    return _to_bytes(255 * cv2.resize(field.astype(np.float32), xray.shape[::-1], interpolation=int(smooth)))


def _clouds(rng: np.random.Generator, xray: Image) -> Image:
    """Noise whose power falls with frequency, as in landscapes, marble and clouds."""
    field = _pink(rng, xray.shape, rng.uniform(0.6, 2.2))
    return _to_bytes(255 * (rng.uniform(0.2, 0.8) + rng.uniform(0.08, 0.35) * field))


def _blank(rng: np.random.Generator, xray: Image) -> Image:
    """One shade or a vignette, with or without a little noise, framed or not."""
    y, x = np.mgrid[-1 : 1 : xray.shape[0] * 1j, -1 : 1 : xray.shape[1] * 1j]
    shade, bowl = rng.choice((0, 255, rng.uniform(0, 255), rng.uniform(0, 255))), rng.choice((0, 0, 60))
    page = _to_bytes(shade - bowl * (x**2 + y**2) + rng.choice((0, 1, 4, 10)) * rng.standard_normal(xray.shape))
    for _ in range(rng.choice((0, 0, 1, 2))):
        _box(rng, page)
    return page


def _gradient(rng: np.random.Generator, xray: Image) -> Image:
    """A gradient between two shades, mostly vertical or horizontal."""
    y, x = np.mgrid[0 : 1 : xray.shape[0] * 1j, 0 : 1 : xray.shape[1] * 1j]
    angle = rng.choice((0, np.pi / 2, rng.uniform(0, np.pi)))
    way = np.cos(angle) * x + np.sin(angle) * y
    start, end = rng.uniform(0, 255, 2)
    return _to_bytes(start + (end - start) * way + rng.choice((0, 0, 3)) * rng.standard_normal(xray.shape))


def _text(rng: np.random.Generator, xray: Image) -> Image:
    """A page of text lines, dark on light or light on dark, with margins and framed boxes."""
    height, width = xray.shape
    page = np.full((height, width), rng.integers(200, 256), np.uint8)
    size, margin = rng.uniform(0.22, 0.9) * min(height, width) / 300, int(width * rng.uniform(0.02, 0.15))
    pitch = max(4, int(size * rng.uniform(26, 44)))
    for top in range(int(pitch * rng.uniform(1, 5)), height, pitch):
        words = ["".join(rng.choice(_GLYPHS, rng.integers(1, 11))) for _ in range(40)]
        line = " ".join(words)[: int(rng.uniform(0.2, 1.0) * (width - 2 * margin) / (size * 17) + 1)]
        if rng.random() < 0.88:
            cv2.putText(page, line, (margin, top), int(rng.integers(0, 5)), size, int(rng.integers(0, 90)), 1, 16)
    for _ in range(rng.integers(0, 4)):
        _box(rng, page)
    return 255 - page if rng.random() < 0.35 else page


def _box(rng: np.random.Generator, page: Image) -> None:
    """A frame or a bar, as figures, tables and the windows of a screen have them."""
    height, width = page.shape
    start = int(rng.uniform(0, 0.7) * width), int(rng.uniform(0, 0.9) * height)
    end = start[0] + int(rng.uniform(0.1, 0.9) * width), start[1] + int(rng.uniform(0.03, 0.4) * height)
    cv2.rectangle(page, start, end, int(rng.integers(0, 256)), int(rng.choice((-1, 1, 2))))


def _dead_leaves(rng: np.random.Generator, xray: Image) -> Image:
    """Shaded, textured shapes of all sizes that hide each other, in front of a gradient, as in a photograph."""
    height, width = xray.shape
    shade = (rng.uniform(0, 255) + np.linspace(-1, 1, height)[:, None] * rng.uniform(-90, 90)).astype(np.float32)
    shade, grain, slope = np.tile(shade, width), np.ones(xray.shape, np.float32), np.zeros(xray.shape, np.float32)
    smallest = rng.uniform(0.01, 0.08)
    for _ in range(int(rng.integers(10, 150))):
        radius = min(0.6, smallest * rng.pareto(2.0) + smallest) * min(height, width)
        leaf = [_leaf(rng, (rng.uniform(0, width), rng.uniform(0, height)), radius)]
        for field, value in ((shade, rng.uniform(0, 255)), (grain, rng.uniform(-1.5, 1.5)), (slope, rng.normal(0, 40))):
            cv2.fillPoly(field, leaf, float(value))
    texture = _pink(rng, xray.shape, rng.uniform(0.8, 1.6)) * rng.uniform(0, 30)
    image = shade + grain * texture + slope * np.linspace(-1, 1, width)
    return _to_bytes(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.0)))


def _leaf(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> NDArray[np.int32]:
    """An ellipse or a polygon of three to six corners, int32 (corners, 2)."""
    corners = int(rng.choice((3, 4, 4, 5, 6, 40)))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 2 * np.pi)
    reach = radius * rng.uniform(0.3, 1.0, 2) if rng.random() < 0.6 else np.array([radius, radius])
    return np.round(np.stack([np.cos(angles), np.sin(angles)], 1) * reach + centre).astype(np.int32)


def _pink(rng: np.random.Generator, shape: tuple[int, int], power: float) -> NDArray[np.float64]:
    """Noise of mean 0 and deviation 1 whose amplitude falls with frequency to the `power`, float64 (H, W)."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.hypot(y, x)
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) / frequency**power, shape)
    return field / max(field.std(), 1e-9)


def _to_bytes(values: NDArray[np.number]) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


FROM_XRAY: dict[str, Maker] = {
    "inverted": _inverted,
    "upside down": _upside_down,
    "quarter turn left": _quarter_turn_left,
    "quarter turn right": _quarter_turn_right,
    "inverted and turned": _inverted_and_turned,
    "shuffled": _shuffled,
    "scrambled": _scrambled,
}
"""Made from the X-ray itself."""

SYNTHETIC: dict[str, Maker] = {
    "noise": _noise,
    "clouds": _clouds,
    "blank": _blank,
    "gradient": _gradient,
    "text": _text,
    "dead leaves": _dead_leaves,
}
"""Drawn at random at the X-ray's size; its pixels are not used."""

OUTLIER_KINDS = FROM_XRAY | SYNTHETIC


def make_outlier(kind: str, xray: Image, rng: np.random.Generator) -> Image:
    """An outlier of one of `OUTLIER_KINDS` for an X-ray (H, W): (H, W) or smaller, (W, H) after a quarter turn."""
    return np.ascontiguousarray(OUTLIER_KINDS[kind](rng, xray))
