"""Synthetic chest radiographs with known answers: the embedded dataset, and a test of the project's instruments.

A phantom is drawn from a random patient (torso, lungs, heart, diaphragm, ribs, clavicles, scapulae) and a random
exposure. The COVID class adds what radiologists describe as typical (Wong et al. 2020, doi
10.1148/radiol.2020201160): peripheral, bilateral opacities, mostly in the lower zones, with a known mask. Three in ten
of the other class have one central or upper opacity, so that brightness alone does not give the class. Nothing but the
opacities depends on the class: size, view, age, sex, position and exposure are drawn independently of it. Opacities
stay inside the central box that the dataset's audit blacks out for the lungs, even where lungs reach beyond it. So the
rest of a phantom, its border above all, is known to hold no information about the class.

No phantom shows a patient, and no score on phantoms is evidence about real radiographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr.imaging.geometry import CROP_PCT
from cxr.schema.labels import COVID
from cxr.schema.probes import LUNG_BOX

Field = NDArray[np.floating]

_RIGHT, _LEFT = -1, 1
_MARGIN = 6.0


@dataclass(frozen=True)
class Phantom:
    """One synthetic frontal radiograph (H, W), the mask of its opacities and that of its lungs; age in years."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    lungs: NDArray[np.bool_]
    label: int
    view: str
    sex: str
    age: int


@dataclass(frozen=True)
class _Body:
    """One patient's proportions, drawn once; `to_pixels` is the 2 × 3 affine from body to image coordinates."""

    height: int
    width: int
    view: str
    to_pixels: Field
    lung_width: float
    lung_top: float
    lung_bottom: tuple[float, float]
    heart: tuple[float, float, float]
    shoulder: float


def draw_phantom(seed: int, label: int) -> Phantom:
    """Draw the phantom of this seed and class; the same arguments give the same pixels.

    The two labels of one seed share patient and exposure, so their difference is the opacities alone.
    """
    rng = np.random.default_rng([seed, 0])
    view, sex, age = _patient(rng)
    body = _body(rng, view)
    lungs = [_lung(body, side) for side in (_RIGHT, _LEFT)]
    image = _anatomy(rng, body, lungs)
    opacity = _opacity(np.random.default_rng([seed, 1]), body, lungs, label)
    image = image + opacity * np.clip(0.60 - image, 0.0, 0.5)
    lung_area = np.logical_or(*(lung > 0.5 for lung in lungs))
    mask = (opacity > 0.22) & lung_area if label == COVID else np.zeros(lung_area.shape, bool)
    return Phantom(_expose(rng, image, view), mask, lung_area, label, view, sex, age)


def phantom_patient(seed: int) -> tuple[str, str, int]:
    """View, sex and age in years of a seed's phantom, without drawing it."""
    return _patient(np.random.default_rng([seed, 0]))


def _patient(rng: np.random.Generator) -> tuple[str, str, int]:
    view = "AP" if rng.random() < 0.5 else "PA"
    sex, age = ("F" if rng.random() < 0.5 else "M"), int(np.clip(rng.normal(56, 17), 18, 95))
    return view, sex, age


def _body(rng: np.random.Generator, view: str) -> _Body:
    height = int(rng.integers(300, 361))
    width = int(height * rng.uniform(0.86, 1.2))
    ap = view == "AP"
    angle, scale = np.deg2rad(rng.normal(0, 4.0 if ap else 2.0)), height / 2 * rng.uniform(0.98, 1.24)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    stretch = rng.uniform(0.86, 1.14)
    centre = width / 2 + rng.normal(0, 0.035) * width, height * (0.5 + rng.normal(0, 0.035))
    to_pixels = np.array([[cos * stretch, -sin, centre[0]], [sin * stretch, cos, centre[1]]])
    top = rng.uniform(-0.80, -0.62)
    bottom = rng.uniform(0.30, 0.52) if ap else rng.uniform(0.40, 0.66)
    heart = rng.uniform(0.27, 0.36) * (1.18 if ap else 1.0), rng.uniform(0.24, 0.34), rng.uniform(0.10, 0.18)
    bottoms = bottom, bottom + rng.uniform(0.0, 0.10)
    return _Body(height, width, view, to_pixels, rng.uniform(0.58, 0.72), top, bottoms, heart, rng.uniform(-0.1, 0.08))


def _fill(body: _Body, points: Field, blur: float) -> Field:
    """A filled polygon of body coordinates as float32 (H, W) in 0…1, its edge softened by `blur` pixels."""
    canvas = np.zeros((body.height, body.width), np.uint8)
    pixels = points @ body.to_pixels[:, :2].T + body.to_pixels[:, 2]
    cv2.fillPoly(canvas, [np.round(pixels * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return _softened(canvas, blur)


def _stroke(body: _Body, lines: Sequence[Field], width: float, blur: float) -> Field:
    """Polylines of body coordinates, `width` in half image heights, as float32 (H, W) in 0…1."""
    canvas = np.zeros((body.height, body.width), np.uint8)
    thickness = max(1, round(width * body.height / 2))
    for points in lines:
        pixels = points @ body.to_pixels[:, :2].T + body.to_pixels[:, 2]
        cv2.polylines(canvas, [np.round(pixels * 16).astype(np.int32)], False, 255, thickness, cv2.LINE_AA, 4)
    return _softened(canvas, blur)


def _softened(canvas: NDArray[np.uint8], blur: float) -> Field:
    """Bytes (H, W) as blurred float32 in 0…1, computed only within a blur's reach of what is drawn."""
    soft, reach = np.zeros(canvas.shape, np.float32), round(4 * blur) + 2
    x, y, width, height = cv2.boundingRect(canvas)
    around = slice(max(0, y - reach), y + height + reach), slice(max(0, x - reach), x + width + reach)
    if width:
        soft[around] = cv2.GaussianBlur(canvas[around].astype(np.float32) / 255, (0, 0), blur)
    return soft


def _ellipse(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> Field:
    t = np.linspace(0, 2 * np.pi, 60)
    cos, sin = np.cos(tilt), np.sin(tilt)
    u, v = rx * np.cos(t), ry * np.sin(t)
    return np.stack([x + cos * u - sin * v, y + sin * u + cos * v], axis=1)


def _lung(body: _Body, side: int) -> Field:
    """One lung as float32 (H, W): apex, rib cage, costophrenic angle, dome of the diaphragm, mediastinum."""
    top, bottom = body.lung_top, body.lung_bottom[0 if side == _RIGHT else 1]
    outer, inner, notch = body.lung_width, 0.10, body.heart[0] * 0.62 if side == _LEFT else 0.14
    y = np.linspace(0, 1, 24)
    rib_cage = np.stack([0.16 + (outer - 0.16) * np.sin(np.pi / 2 * y**0.55), top + (bottom + 0.08 - top) * y], axis=1)
    x = np.linspace(1, 0, 14)[1:]
    dome = np.stack([inner + 0.03 + (outer - inner - 0.03) * x, bottom + 0.08 - 0.20 * np.sin(np.pi * x**0.8)], axis=1)
    y = np.linspace(1, 0, 16)[1:]
    medial = np.stack([inner + (notch - inner) * y**2, top + 0.05 + (bottom - 0.02 - top) * y], axis=1)
    outline = np.concatenate([rib_cage, dome, medial])
    outline[:, 0] *= side
    return _fill(body, outline, 1.8)


def _ribs(rng: np.random.Generator, body: _Body) -> Field:
    """Ten pairs of ribs: the posterior part slopes outwards and down, the anterior one inwards and down."""
    pitch, slope = rng.uniform(0.13, 0.17), rng.uniform(0.16, 0.34)
    start, t = body.lung_top - 0.02, np.linspace(0, 1, 20)
    lines = []
    for side in (_RIGHT, _LEFT):
        for rib in range(10):
            reach = body.lung_width * (0.55 + 0.45 * min(1.0, (rib + 1) / 4)) + 0.02
            y = start + rib * pitch + rng.normal(0, 0.008)
            posterior = np.stack([side * reach * t, y - 0.05 * np.sin(np.pi * t) + slope * t**2], axis=1)
            anterior = np.stack([side * reach * (1 - 0.62 * t), y + slope + 0.22 * t**0.7], axis=1)
            lines += [posterior, anterior[: 14 if rib < 7 else 0]]
    return _stroke(body, [line for line in lines if len(line)], rng.uniform(0.022, 0.036), 1.3)


def _anatomy(rng: np.random.Generator, body: _Body, lungs: Sequence[Field]) -> Field:
    """Attenuation in 0…1 without opacities, float32 (H, W): bright is dense, as on a MONOCHROME2 radiograph."""
    neck = rng.uniform(0.2, 0.3)
    chest = body.lung_width + rng.uniform(0.10, 0.26)
    y = np.array([-1.4, -0.92, -0.74 + body.shoulder, -0.45, 0.2, 1.5])
    x = np.array([neck, neck + 0.05, chest + 0.20, chest + 0.12, chest, chest + rng.uniform(-0.08, 0.1)])
    torso = _fill(body, np.concatenate([np.stack([x, y], 1), np.stack([-x, y], 1)[::-1]]), 5.0)
    image = 0.04 + torso * rng.uniform(0.50, 0.60)
    air = rng.uniform(0.30, 0.40)
    for lung in lungs:
        image -= lung * air
    spine = _fill(body, np.array([[-0.09, -1.4], [0.09, -1.4], [0.11, 1.5], [-0.11, 1.5]]), 4.0)
    width, tall, offset = body.heart
    heart = _fill(body, _ellipse(offset, body.lung_bottom[1] - tall * 0.75, width, tall, rng.uniform(0.2, 0.6)), 3.0)
    vessels = _fill(body, _ellipse(0.03, body.lung_top + 0.45, rng.uniform(0.13, 0.19), 0.30), 5.0)
    hila = sum(_fill(body, _ellipse(s * 0.2, -0.1 + rng.normal(0, 0.04), 0.08, 0.14), 6.0) for s in (_RIGHT, _LEFT))
    image += spine * 0.12 + vessels * 0.13 + hila * rng.uniform(0.03, 0.08) + _ribs(rng, body) * rng.uniform(0.05, 0.10)
    image += np.clip(heart * 0.30, 0, np.maximum(0, 0.62 - image))
    image += _shoulder_girdle(rng, body) + _soft_tissue(rng, body) * torso
    return image.astype(np.float32)


def _shoulder_girdle(rng: np.random.Generator, body: _Body) -> Field:
    """Clavicles, and on AP images the scapulae, which lie over the lungs when the arms hang down."""
    tilt, y = rng.uniform(-0.02, 0.14), body.lung_top + rng.uniform(0.08, 0.2)
    t = np.linspace(0, 1, 12)
    clavicles = [np.stack([s * (0.08 + 0.62 * t), y - tilt * t + 0.03 * np.sin(2 * np.pi * t)], 1) for s in (-1, 1)]
    girdle = _stroke(body, clavicles, rng.uniform(0.035, 0.05), 1.5) * rng.uniform(0.08, 0.14)
    if body.view == "AP":
        edge = body.lung_width - 0.02
        for s in (_RIGHT, _LEFT):
            blade = np.array([[s * (edge - 0.08), -0.55], [s * (edge + 0.25), -0.6], [s * (edge + 0.02), 0.02]])
            girdle += _fill(body, blade, 3.0) * 0.07
    return girdle


def _soft_tissue(rng: np.random.Generator, body: _Body) -> Field:
    """Smooth differences in thickness between patients, float32 (H, W), a few per cent of the range."""
    coarse = rng.normal(0, 1, (5, 5)).astype(np.float32)
    field = cv2.resize(coarse, (body.width, body.height), interpolation=cv2.INTER_CUBIC) * 0.035
    fine = rng.normal(0, 1, (14, 14)).astype(np.float32)
    return field + cv2.resize(fine, (body.width, body.height), interpolation=cv2.INTER_CUBIC) * 0.018


def _texture(rng: np.random.Generator, body: _Body) -> Field:
    noise = rng.normal(0, 1, (28, 28)).astype(np.float32)
    return 0.8 + 0.28 * cv2.resize(noise, (body.width, body.height), interpolation=cv2.INTER_CUBIC)


def _opacity(rng: np.random.Generator, body: _Body, lungs: Sequence[Field], label: int) -> Field:
    """Opacities inside the lungs as float32 (H, W) in 0…1: COVID, or one central or upper opacity, or none."""
    field = np.zeros((body.height, body.width), np.float32)
    if label == COVID:
        blots = [(side, *_peripheral(rng, body, side)) for side in (_RIGHT, _LEFT) for _ in range(rng.integers(2, 5))]
    elif rng.random() < 0.3:
        side = int(rng.choice((_RIGHT, _LEFT)))
        blots = [(side, side * rng.uniform(0.2, 0.3), rng.uniform(-0.45, 0.0), rng.uniform(0.08, 0.14), 1.0)]
    else:
        return field
    for side, x, y, radius, strength in blots:
        x, y = _pulled_inside(body, x, y, radius)
        outline = _ellipse(x, y, radius, radius * rng.uniform(0.8, 1.5), rng.uniform(0, np.pi))
        blot = _fill(body, outline, radius * body.height * 0.14) * lungs[0 if side == _RIGHT else 1]
        field = np.maximum(field, strength * blot)
    return np.clip(field * _texture(rng, body), 0, 1) * _window(body)


def _half_box(body: _Body) -> Field:
    """Half the width and height, in pixels, of the central box that holds every opacity."""
    return np.array(LUNG_BOX) * CROP_PCT * min(body.height, body.width) / 2 - _MARGIN


def _pulled_inside(body: _Body, x: float, y: float, radius: float) -> Field:
    """The centre (x, y) of an opacity, moved as little as needed to be a radius inside the box."""
    linear, offset = body.to_pixels[:, :2], body.to_pixels[:, 2]
    middle, reach = np.array([body.width, body.height]) / 2, _half_box(body) - radius * body.height / 2
    pixel = np.clip(linear @ (x, y) + offset, middle - reach, middle + reach)
    return np.linalg.solve(linear, pixel - offset)


def _window(body: _Body) -> Field:
    """1 in the box, 0 outside, float32 (H, W), with a soft edge."""
    canvas, half = np.zeros((body.height, body.width), np.float32), np.round(_half_box(body)).astype(int)
    top, left = body.height // 2 - half[1], body.width // 2 - half[0]
    canvas[top : top + 2 * half[1], left : left + 2 * half[0]] = 1.0
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), _MARGIN / 2), np.float32)


def _peripheral(rng: np.random.Generator, body: _Body, side: int) -> tuple[float, float, float, float]:
    """Centre, radius and strength of one opacity at the outer edge of the lower two thirds of a lung."""
    bottom = body.lung_bottom[0 if side == _RIGHT else 1]
    y = rng.uniform(0.42, 0.95) * (bottom - body.lung_top) + body.lung_top
    x = side * (body.lung_width - rng.uniform(0.05, 0.16))
    return x, y, rng.uniform(0.09, 0.17), rng.uniform(0.65, 1.0)


def _expose(rng: np.random.Generator, image: Field, view: str) -> NDArray[np.uint8]:
    """One exposure: scatter, gamma, window and quantum noise, whatever the class; uint8 (H, W)."""
    scatter = 0.22 if view == "AP" else 0.14
    image = (1 - scatter) * image + scatter * cv2.GaussianBlur(image, (0, 0), 14)
    low, high = rng.uniform(0.0, 0.08), rng.uniform(0.78, 0.95)
    image = np.clip((image - low) / (high - low), 0, 1) ** rng.uniform(0.75, 1.3)
    grain = rng.normal(0, 1, image.shape).astype(np.float32)
    grain = 0.6 * grain + 1.2 * cv2.GaussianBlur(grain, (0, 0), 1.0)
    image = image + grain * rng.uniform(0.008, 0.022)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
