"""Noise as detectors, doses and storage leave it, so that a network cannot tell where an image comes from by its noise.

The four kinds of Mai et al. (2025, arXiv 2511.03855), who report that they narrow the gap to other collections.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import torch

GAUSSIAN, SPECKLE = 0.1, 0.2
"""Largest standard deviation, as a share of the range of grey values, and as a share of each grey value."""
QUANTA = (20.0, 200.0)
"""Photons that make a pixel white, at the lowest dose and at the highest."""
HIT = 0.05
"""Largest share of pixels that salt and pepper turn white or black."""


def add_noise(images: torch.Tensor, rngs: Sequence[np.random.Generator], share: float = 1.0) -> torch.Tensor:
    """Gaussian, speckle, Poisson or salt-and-pepper noise of a random strength on a share of the images.

    Takes float (N, C, S, S), whose channels are the same grey values on scales of their own, and a generator for each
    image. All channels get the same noise, and no value leaves the range of its image. Poisson noise is drawn from the
    normal distribution of the same mean and variance, and all noise on the CPU, so that every device sees the same.
    """
    side = images.shape[2:]
    drawn = [_strengths(rng) if rng.random() < share else _NONE for rng in rngs]
    fields = np.stack([rng.standard_normal(side, np.float32) for rng in rngs])[:, None]
    field = torch.from_numpy(fields).to(images.device, images.dtype)
    of_image = torch.tensor(drawn, dtype=images.dtype, device=images.device)[..., None, None, None]
    gaussian, speckle, quantum, threshold = of_image.unbind(1)
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    gray = ((images - low) / (high - low).clamp(min=1e-6))[:, :1]
    changed = (gray + field * (gaussian + speckle * gray + (quantum * gray).sqrt())).clamp(0, 1)
    changed = torch.where(field > threshold, 1.0, torch.where(field < -threshold, 0.0, changed))
    return images + (changed - gray) * (high - low)


_NONE = (0.0, 0.0, 0.0, np.inf)


def _strengths(rng: np.random.Generator) -> tuple[float, ...]:
    """Gaussian, speckle, grey values per photon, and where salt and pepper begin in a standard normal: one of them."""
    choices = (
        rng.uniform(0, GAUSSIAN),
        rng.uniform(0, SPECKLE),
        1 / rng.uniform(*QUANTA),
        NormalDist().inv_cdf(1 - HIT * (1 - rng.random()) / 2),
    )
    kind = rng.integers(len(choices))
    return tuple(
        value if number == kind else none for number, (value, none) in enumerate(zip(choices, _NONE, strict=True))
    )
