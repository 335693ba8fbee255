"""Mild geometric and photometric variation of a batch, safe for chest radiographs: the heart stays on the left."""

import numpy as np
import torch
from torch.nn import functional

from cxr.training.arguments import AugmentationArguments


class Augmentation:
    """Vary a batch of pictures, each seeded by (run seed, training step, picture).

    No global random state is read or moved, so a resumed run repeats the interrupted one bit for bit, whatever the
    number of data-loading workers.
    """

    def __init__(self, settings: AugmentationArguments, seed: int):
        self.settings, self.seed = settings, seed

    def __call__(self, pixel_values: torch.Tensor, keys: torch.Tensor, step: int) -> torch.Tensor:
        """Vary float (N, 3, S, S) pictures whose identities are `keys` int64 (N,); same shape and device."""
        draws = [np.random.default_rng([self.seed, step, key]).uniform(-1, 1, 7) for key in keys.tolist()]
        draws = np.asarray(draws, dtype=np.float64)
        theta = torch.as_tensor(self._affine(draws), dtype=pixel_values.dtype, device=pixel_values.device)
        grid = functional.affine_grid(theta, list(pixel_values.shape), align_corners=False)
        moved = functional.grid_sample(pixel_values, grid, padding_mode="border", align_corners=False)
        contrast = torch.as_tensor(1 + self.settings.contrast * draws[:, 5], dtype=moved.dtype, device=moved.device)
        brightness = torch.as_tensor(self.settings.brightness * draws[:, 6], dtype=moved.dtype, device=moved.device)
        return moved * contrast.view(-1, 1, 1, 1) + brightness.view(-1, 1, 1, 1)

    def _affine(self, draws: np.ndarray) -> np.ndarray:
        """Output-to-input maps (N, 2, 3) in grid coordinates (-1…1), from draws in -1…1 of shape (N, 7)."""
        angle = np.deg2rad(self.settings.rotate) * draws[:, 0]
        scale = 1 / (1 + self.settings.zoom * draws[:, 1])
        shear = self.settings.shear * draws[:, 2]
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        shift = 2 * self.settings.shift * draws[:, 3:5]
        rows = [np.stack([cos, cos * shear - sin, shift[:, 0]], 1), np.stack([sin, sin * shear + cos, shift[:, 1]], 1)]
        return np.stack(rows, axis=1)
