"""The interventions that were tried, each one change to the same training.

An intervention may change every image that the network sees, in training and in evaluation (`preprocess`, `crop_pct`);
how training images are varied (`augment`); which of them are drawn (`balanced`); what is minimised (`objective`); where
training starts (`phantoms`); or which weights are kept (`keep`). None of them gets more epochs than another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.nn import functional

from cxr.imaging.geometry import CROP_PCT
from cxr.training.data.noise import add_noise
from experiments.objectives import CrossEntropy, GroupDRO, LungActivation, Objective, SourceAdversarial
from experiments.segmenter import crop_to_lung_region

Augment = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
"""Normalised images float32 (N, 3, S, S) and the run's random generator → varied images of the same shape."""


@dataclass(frozen=True)
class Intervention:
    """One trial's difference from the baseline.

    `preprocess` maps pixels uint8 (H, W) to uint8 (h, w). `keep` names the weights that are kept: those of the epoch
    with the highest AUROC on a part ("validation", or "choose" of the external set), or the "average" of many epochs.
    """

    description: str
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None
    crop_pct: float = CROP_PCT
    augment: Augment | None = None
    balanced: bool = False
    objective: Objective = CrossEntropy
    phantoms: bool = False
    keep: str = "validation"

    @property
    def training(self) -> "Intervention":
        """What the training run depends on: interventions that differ in the kept weights alone share a run."""
        return replace(self, description="", keep="validation")


def equalise(pixels: np.ndarray) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of uint8 (H, W)."""
    return cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(np.ascontiguousarray(pixels))


def blacken_border(pixels: np.ndarray) -> np.ndarray:
    """Black outside the middle 76 % of the central crop that the processor makes; uint8 (H, W)."""
    blackened = np.zeros_like(pixels)
    half = int(0.38 * CROP_PCT * min(pixels.shape))
    row, column = pixels.shape[0] // 2, pixels.shape[1] // 2
    middle = slice(row - half, row + half), slice(column - half, column + half)
    blackened[middle] = pixels[middle]
    return blackened


def crop_to_lungs(pixels: np.ndarray) -> np.ndarray:
    """Crop to the box around the dark central area, which is mostly lung; uint8 (h, w).

    The collections come without lung masks, and no segmentation network is at hand: the box stands in for them.
    """
    side, margin = 96, 10
    middle = slice(margin, side - margin)
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(equalise(small), (0, 0), 2)[middle, middle]
    level, _ = cv2.threshold(small, 0, 255, cv2.THRESH_OTSU)
    rows, columns = np.nonzero(small < level)
    height, width = pixels.shape
    return pixels[_extent(rows + margin, side, height), _extent(columns + margin, side, width)]


def _extent(positions: np.ndarray, side: int, length: int) -> slice:
    """The range of `length` pixels that holds 92 % of positions (0…side), widened by 4 % of the length at both ends."""
    low, high = np.percentile(positions, (4, 96)) / side * length
    return slice(max(0, int(low - 0.04 * length)), int(high + 0.04 * length))


def vary_photometry(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Gamma, window, blur or sharpening, resolution and noise, drawn for each image: another scanner every time."""
    varied = []
    for image in images.split(1):
        low, high = image.amin(), image.amax()
        unit = ((image - low) / (high - low + 1e-6)).clamp(0, 1) ** float(np.exp(rng.uniform(-0.6, 0.6)))
        if rng.random() < 0.5:
            small = functional.interpolate(unit, scale_factor=rng.uniform(0.3, 0.8), mode="bilinear", antialias=True)
            unit = functional.interpolate(small, size=unit.shape[-2:], mode="bilinear")
        soft = functional.avg_pool2d(unit, 5, stride=1, padding=2, count_include_pad=False)
        unit = unit + rng.uniform(-0.9, 1.0) * (unit - soft)
        noise = torch.from_numpy(rng.standard_normal(unit.shape[-2:], np.float32)) * rng.uniform(0, 0.04)
        start, width = rng.uniform(-0.1, 0.1), rng.uniform(0.75, 1.2)
        varied.append(((unit + noise - start) / width).clamp(0, 1) * (high - low) + low)
    return torch.cat(varied)


def inject_noise(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Noise of a random kind and strength, drawn for each image."""
    return add_noise(images, rng.spawn(len(images)))


def swap_spectra(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Mix each image's Fourier amplitudes with another's and keep its phases (Xu et al. 2021, arXiv 2105.11120)."""
    spectrum = torch.fft.rfft2(images)
    share = torch.from_numpy(rng.uniform(0, 1, len(images)).astype(np.float32)).view(-1, 1, 1, 1)
    other = spectrum.abs()[torch.from_numpy(rng.permutation(len(images)))]
    amplitude = (1 - share) * spectrum.abs() + share * other
    return torch.fft.irfft2(torch.polar(amplitude, spectrum.angle()), s=images.shape[-2:])


def zoom_in(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A random crop of 33 to 100 % of the area, at an aspect ratio of 0.8 to 1.25, stretched to the full square."""
    area, aspect = rng.uniform(0.33, 1, len(images)), np.exp(rng.uniform(-0.22, 0.22, len(images)))
    width, height = np.minimum(np.sqrt(area * aspect), 1), np.minimum(np.sqrt(area / aspect), 1)
    x, y = (rng.uniform(-1, 1, len(images)) * (1 - side) for side in (width, height))
    zero = np.zeros_like(x)
    theta = np.stack([np.stack([width, zero, x], 1), np.stack([zero, height, y], 1)], 1)
    grid = functional.affine_grid(torch.from_numpy(theta).float(), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def erase_frame(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Replace each side's outer margin, up to a fifth of the image, by one random gray, in three images of four."""
    images, side = images.clone(), images.shape[-1]
    for image in images:
        if rng.random() < 0.75:
            top, bottom, left, right = (int(m) for m in rng.uniform(0, 0.2, 4) * side)
            inner = image[:, top : side - bottom, left : side - right].clone()
            image.fill_(rng.uniform(-2, 2))
            image[:, top : side - bottom, left : side - right] = inner
    return images


def noise_and_zoom(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A random crop, then noise on it."""
    return inject_noise(zoom_in(images, rng), rng)


BASELINE = "baseline"
INTERVENTIONS = {
    BASELINE: Intervention("the recipe unchanged"),
    "border_crop": Intervention("the central 70 % of the short side is seen, not 87.5 %", crop_pct=0.70),
    "border_black": Intervention("the outer 12 % of what the network sees is black", preprocess=blacken_border),
    "lung_crop": Intervention("cropped to the dark central area, mostly lung", preprocess=crop_to_lungs),
    "equalise": Intervention("CLAHE in training and evaluation", preprocess=equalise),
    "photometric": Intervention(
        "gamma, window, sharpness, resolution and noise varied for each image", augment=vary_photometry
    ),
    "noise": Intervention("Gaussian, speckle, Poisson or salt-and-pepper noise on each image", augment=inject_noise),
    "spectra": Intervention("Fourier amplitudes mixed between the images of a batch", augment=swap_spectra),
    "zoom_in": Intervention("random crops of 33 to 100 % of the area", augment=zoom_in),
    "erase_frame": Intervention("random margins replaced by a random gray", augment=erase_frame),
    "balanced": Intervention("sources drawn equally often instead of class weights", balanced=True),
    "group_dro": Intervention("group DRO: the loss of the worst groups of a source and a label", objective=GroupDRO),
    "adversarial": Intervention(
        "features from which no source can be told: domain-adversarial", objective=SourceAdversarial
    ),
    "lung_region": Intervention(
        "cropped to the lungs that a segmenter trained on phantoms finds, black around them",
        preprocess=crop_to_lung_region,
    ),
    "lung_activation": Intervention("evidence outside the segmented lungs penalised", objective=LungActivation),
    "phantoms": Intervention("a quarter of the epochs spent on phantoms first", phantoms=True),
    "averaged": Intervention(
        "weights averaged over the second half of training, BatchNorm statistics recomputed", keep="average"
    ),
    "held_out": Intervention("the epoch selected on the selection half, whose AUROC is biased by that", keep="choose"),
    "noise_zoom": Intervention("`noise` and `zoom_in` together", augment=noise_and_zoom),
    "noise_activation": Intervention(
        "`noise` and `lung_activation` together", augment=inject_noise, objective=LungActivation
    ),
    "lung_zoom": Intervention("`lung_crop` and `zoom_in` together", preprocess=crop_to_lungs, augment=zoom_in),
}
"""Every trial by its name on the command line and in the log."""
