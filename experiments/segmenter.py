"""Where the lungs are, from a small U-Net (Ronneberger et al. 2015, arXiv 1505.04597) trained on nothing but phantoms.

Phantoms know their lungs, no collection at hand does. Every training image is turned, shifted, zoomed, and changed in
its grey values, so that a real film is one more variation.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cxr.phantom import draw_phantom
from cxr.training.arguments import AugmentationArguments
from cxr.training.data.batches import Augmentation

SIDE = 64
"""Pixels of the square that an image is stretched to."""
_PHANTOMS, _EPOCHS, _BATCH, _LEARNING_RATE = 600, 12, 32, 3e-3
_VARIED = AugmentationArguments(rotate=12, shift=0.12, zoom=0.3, shear=0.1, brightness=0.5, contrast=0.5, noise=0.7)
_DILATED = 0.06
"""By how much the region is enlarged, as a share of the side: pleura and the lungs' edges belong to it."""
_PLAUSIBLE = (0.1, 0.85)
"""Shares of an image that a lung region may take; anything else is a failure to find it."""


class UNet(nn.Module):
    """Gray images float32 (N, 1, S, S), standardised one by one, to logits (N, 1, S, S); S is a multiple of 8."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96)):
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in zip((1, *widths), widths, strict=False))
        self.up = nn.ModuleList(
            _block(below + here, here) for below, here in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Down to an eighth of the side and up again, with what each stage saw on the way down."""
        skipped = []
        for number, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if number else x)
            skipped.append(x)
        skipped.pop()
        for block in self.up:
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0), skipped.pop()], 1))
        return self.last(x)


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


@lru_cache(maxsize=1)
@torch.enable_grad()
def segmenter() -> UNet:
    """The trained network; the first call takes about a minute on two cores."""
    images, lungs = _phantoms()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet()
    augmentation, rng = Augmentation(_VARIED, 0), np.random.default_rng(0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE)
    steps = _EPOCHS * (_PHANTOMS // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        keys = torch.from_numpy(rng.choice(_PHANTOMS, _BATCH, replace=False))
        varied, marked = augmentation(images[keys], keys, step), augmentation.move(lungs[keys], keys, step)
        gamma = torch.from_numpy(np.exp(rng.uniform(-0.7, 0.7, (_BATCH, 1, 1, 1)))).float()
        loss = functional.binary_cross_entropy_with_logits(network(standardised(_unit(varied) ** gamma)), marked)
        loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return network.eval()


def _phantoms() -> tuple[torch.Tensor, torch.Tensor]:
    """Images in ImageNet's scale and their lungs, float32 (N, 1, SIDE, SIDE) each."""
    drawn = [draw_phantom(2 * 10**7 + number, number % 2) for number in range(_PHANTOMS)]
    images, lungs = (
        torch.from_numpy(np.stack([_stretched(values) for values in arrays]))[:, None]
        for arrays in ([one.image for one in drawn], [one.lungs.astype(np.uint8) * 255 for one in drawn])
    )
    return (images - 0.45) / 0.226, lungs


def _stretched(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W) → float32 (SIDE, SIDE) from 0 to 1."""
    return cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _unit(images: torch.Tensor) -> torch.Tensor:
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return (images - low) / (high - low).clamp(min=1e-6)


def standardised(images: torch.Tensor) -> torch.Tensor:
    """Float (N, 1, H, W) with a mean of 0 and a standard deviation of 1 each."""
    return (images - images.mean((2, 3), keepdim=True)) / images.std((2, 3), keepdim=True).clamp(min=1e-6)


@torch.no_grad()
def lung_masks(images: torch.Tensor) -> torch.Tensor:
    """Probabilities float32 (N, 1, SIDE, SIDE) that lung is there, from images (N, C, H, W) of any scale."""
    gray = functional.interpolate(images[:, :1].float(), (SIDE, SIDE), mode="area")
    with torch.autocast("cpu", enabled=False):
        return torch.sigmoid(segmenter()(standardised(gray)))


def crop_to_lung_region(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W) → the bounding box of the lung region, black outside the region; unchanged if it was not found."""
    region = lung_region(pixels)
    if region is None:
        return pixels
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    return np.where(region, pixels, 0)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def lung_region(pixels: np.ndarray) -> np.ndarray | None:
    """The convex hull of both lungs, enlarged a little, as bool (H, W), from uint8 (H, W); None if it was not found."""
    mask = lung_masks(torch.from_numpy(_stretched(pixels))[None, None])[0, 0].numpy() > 0.5
    points = cv2.findNonZero(_two_largest(mask.astype(np.uint8)))
    if points is None:
        return None
    hull = cv2.fillConvexPoly(np.zeros((SIDE, SIDE), np.uint8), cv2.convexHull(points), 1)
    reach = 2 * round(_DILATED * SIDE) + 1
    region = cv2.dilate(hull, np.ones((reach, reach), np.uint8))
    if not _PLAUSIBLE[0] < region.mean() < _PLAUSIBLE[1]:
        return None
    height, width = pixels.shape
    return cv2.resize(region, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def _two_largest(mask: np.ndarray) -> np.ndarray:
    """The two largest connected parts of a mask, uint8 (S, S): letters and the air beside a patient are smaller."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask)
    largest = 1 + np.argsort(-statistics[1:, cv2.CC_STAT_AREA])[:2]
    return np.isin(labels, largest).astype(np.uint8)
