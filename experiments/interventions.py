"""The means that were tried against reading the source instead of the lung, each a change to one and the same training.

A mean may change what the network sees of every picture (`see`, `crop_pct`: in training and in evaluation alike), how
training pictures vary (`vary`), which of them are drawn (`balanced`), where training starts (`phantoms`), or which
weights are kept (`keep`: of the best epoch on `validation`, of the best on the outside set's part `choose`, or the
`average` of many epochs). None of them gets more epochs than another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.nn import functional

from cxr.imaging.geometry import CROP_PCT

Vary = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
"""Normalised pictures float32 (N, 3, S, S) and a generator of this batch's own → the same shape."""


@dataclass(frozen=True)
class Mean:
    """One trial's difference from the baseline; `what` is how the log describes it."""

    what: str
    see: Callable[[np.ndarray], np.ndarray] | None = None
    crop_pct: float = CROP_PCT
    vary: tuple[Vary, ...] = ()
    balanced: bool = False
    phantoms: bool = False
    keep: str = "validation"

    @property
    def training(self) -> "Mean":
        """What its training depends on: means that only keep other weights share a run."""
        return replace(self, what="", keep="validation")


def equalise(pixels: np.ndarray) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of uint8 (H, W)."""
    return cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(np.ascontiguousarray(pixels))


def blacken_border(pixels: np.ndarray) -> np.ndarray:
    """Black outside the middle 76 % of the central square that the processor keeps seven eighths of; uint8 (H, W)."""
    seen = np.zeros_like(pixels)
    half = int(0.38 * CROP_PCT * min(pixels.shape))
    row, column = pixels.shape[0] // 2, pixels.shape[1] // 2
    box = slice(row - half, row + half), slice(column - half, column + half)
    seen[box] = pixels[box]
    return seen


def crop_to_lungs(pixels: np.ndarray) -> np.ndarray:
    """The box round what is dark in the middle, after equalisation, and so mostly lung; uint8 (h, w).

    No mask of the lungs comes with these collections, and no network that finds them: a box is what can be had.
    """
    small = cv2.GaussianBlur(equalise(cv2.resize(pixels, (96, 96), interpolation=cv2.INTER_AREA)), (0, 0), 2)
    level, _ = cv2.threshold(small[10:86, 10:86], 0, 255, cv2.THRESH_OTSU)
    rows, columns = np.nonzero(small[10:86, 10:86] < level)
    sides = [
        np.percentile(side + 10, (4, 96)) / 96 * length
        for side, length in zip((rows, columns), pixels.shape, strict=True)
    ]
    (top, bottom), (left, right) = (
        (int(low - 0.04 * n), int(high + 0.04 * n)) for (low, high), n in zip(sides, pixels.shape, strict=True)
    )
    return pixels[max(0, top) : bottom, max(0, left) : right]


def photometric(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Gamma, window, blur or sharpening, resolution and noise, drawn for each picture: another scanner each time."""
    changed = []
    for picture in pictures.split(1):
        low, high = picture.amin(), picture.amax()
        unit = ((picture - low) / (high - low + 1e-6)).clamp(0, 1) ** float(np.exp(rng.uniform(-0.6, 0.6)))
        if rng.random() < 0.5:
            small = functional.interpolate(unit, scale_factor=rng.uniform(0.3, 0.8), mode="bilinear", antialias=True)
            unit = functional.interpolate(small, size=unit.shape[-2:], mode="bilinear")
        soft = functional.avg_pool2d(unit, 5, stride=1, padding=2, count_include_pad=False)
        unit = unit + rng.uniform(-0.9, 1.0) * (unit - soft)
        noise = torch.from_numpy(rng.standard_normal(unit.shape[-2:], np.float32)) * rng.uniform(0, 0.04)
        start, width = rng.uniform(-0.1, 0.1), rng.uniform(0.75, 1.2)
        changed.append(((unit + noise - start) / width).clamp(0, 1) * (high - low) + low)
    return torch.cat(changed)


def swap_spectra(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Mix each picture's Fourier amplitudes with another's and keep its phases (Xu et al. 2021, arXiv 2105.11120)."""
    spectrum = torch.fft.rfft2(pictures)
    share = torch.from_numpy(rng.uniform(0, 1, len(pictures)).astype(np.float32)).view(-1, 1, 1, 1)
    other = spectrum.abs()[torch.from_numpy(rng.permutation(len(pictures)))]
    amplitude = (1 - share) * spectrum.abs() + share * other
    return torch.fft.irfft2(torch.polar(amplitude, spectrum.angle()), s=pictures.shape[-2:])


def zoom_in(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A random crop of a third to the whole of the area, at an aspect of 0.8 to 1.25, stretched to the full square."""
    area, aspect = rng.uniform(0.33, 1, len(pictures)), np.exp(rng.uniform(-0.22, 0.22, len(pictures)))
    width, height = np.minimum(np.sqrt(area * aspect), 1), np.minimum(np.sqrt(area / aspect), 1)
    x, y = (rng.uniform(-1, 1, len(pictures)) * (1 - side) for side in (width, height))
    zero = np.zeros_like(x)
    theta = np.stack([np.stack([width, zero, x], 1), np.stack([zero, height, y], 1)], 1)
    grid = functional.affine_grid(torch.from_numpy(theta).float(), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def erase_frame(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Each side's outer margin, up to a fifth of the picture, replaced by one random gray (three pictures in four)."""
    pictures, side = pictures.clone(), pictures.shape[-1]
    for picture in pictures:
        if rng.random() < 0.75:
            top, bottom, left, right = (int(m) for m in rng.uniform(0, 0.2, 4) * side)
            inner = picture[:, top : side - bottom, left : side - right].clone()
            picture.fill_(rng.uniform(-2, 2))
            picture[:, top : side - bottom, left : side - right] = inner
    return pictures


MEANS = {
    "baseline": Mean("the recipe as it stands"),
    "border_crop": Mean("only the central 70 % of the short side is seen, not 87.5 %", crop_pct=0.70),
    "border_black": Mean("the outer 12 % of what the network sees is black", see=blacken_border),
    "lung_crop": Mean("cropped to the box round the lungs, what is dark in the middle", see=crop_to_lungs),
    "equalise": Mean("CLAHE in training and evaluation", see=equalise),
    "photometric": Mean("gamma, window, sharpness, resolution and noise drawn for each picture", vary=(photometric,)),
    "spectra": Mean("Fourier amplitudes mixed between the pictures of a batch", vary=(swap_spectra,)),
    "zoom_in": Mean("random crops of a third to the whole of the picture", vary=(zoom_in,)),
    "erase_frame": Mean("random margins replaced by a random gray", vary=(erase_frame,)),
    "balanced": Mean("sources drawn equally often instead of class weights", balanced=True),
    "phantoms": Mean("a quarter of the epochs spent on phantoms first", phantoms=True),
    "averaged": Mean("weights averaged over the second half of training, BatchNorm measured anew", keep="average"),
    "held_out": Mean("the epoch chosen on the choosing part, which flatters it there", keep="choose"),
    "lung_zoom": Mean("lung_crop and zoom_in together", see=crop_to_lungs, vary=(zoom_in,)),
}
"""Every trial by its name in the log."""
