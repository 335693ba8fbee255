"""From dataset rows to what the network is trained on: batches, their augmentation, and the weights of the classes."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from cxr.schema.labels import LABELS, Label
from cxr.training.arguments import AugmentationArguments
from cxr.training.data.boxes import marked_cells
from cxr.training.data.images import Row, image_of
from cxr.training.data.noise import add_noise

COLUMNS = ["image", "label", "sha256"]
"""What a batch is made from; no other column is read while training, but `boxes` for the box loss."""

Collator = Callable[[list[Row]], dict[str, torch.Tensor]]


def collator(pixel_values: Callable[[list[Image.Image]], torch.Tensor]) -> Collator:
    """A function from dataset rows to a batch: pixel_values float32 (N, C, S, S), labels int64 (N,), keys int64 (N,).

    `keys` identifies each image by the first 60 bits of its hash, so that augmentation can be seeded by image. Rows
    with `boxes` also give `marked`, see `marked_cells`.
    """

    def collate(rows: list[Row]) -> dict[str, torch.Tensor]:
        images = [image_of(row) for row in rows]
        batch = {
            "pixel_values": pixel_values(images),
            "labels": torch.tensor([row["label"] for row in rows]),
            "keys": torch.tensor([int(row["sha256"][:15], 16) for row in rows]),
        }
        if "boxes" in rows[0]:
            sizes = [image.size for image in images]
            batch["marked"] = marked_cells(rows, sizes, batch["pixel_values"].shape[-1])
        return batch

    return collate


def class_weights(images: Mapping[Label, int]) -> torch.Tensor:
    """Weights float32 (2,) that give both classes the same total weight, with a mean weight over the images of 1.

    Takes the number of images by class, which a report states even for a streamed split.
    """
    counts = np.array([images[name] for name in LABELS])
    return torch.tensor(counts.sum() / (len(LABELS) * counts), dtype=torch.float32)


class Augmentation:
    """Mild variation of geometry, grey values and noise, safe for radiographs: the heart stays on the left, unless
    mirroring is asked for.

    Each image is varied by a random generator of its own, seeded by (run seed, training step, image). No global random
    state is read or changed, so a resumed run repeats the interrupted one bit for bit, whatever the number of
    data-loading workers.
    """

    def __init__(self, settings: AugmentationArguments, seed: int):
        self.settings, self.seed = settings, seed

    def __call__(self, pixel_values: torch.Tensor, keys: torch.Tensor, step: int) -> torch.Tensor:
        """Vary float (N, 3, S, S) images whose identities are `keys`, int64 (N,); same shape and device."""
        draws = self._draws(keys, step)
        moved = self._move(pixel_values, draws, "border")
        contrast = torch.as_tensor(1 + self.settings.contrast * draws[:, 5], dtype=moved.dtype, device=moved.device)
        brightness = torch.as_tensor(self.settings.brightness * draws[:, 6], dtype=moved.dtype, device=moved.device)
        varied = moved * contrast.view(-1, 1, 1, 1) + brightness.view(-1, 1, 1, 1)
        if not self.settings.noise:
            return varied
        return add_noise(varied, [self._rng(step, key, 1) for key in keys.tolist()], self.settings.noise)

    def move(self, marked: torch.Tensor, keys: torch.Tensor, step: int) -> torch.Tensor:
        """Move what is marked in images, float (N, C, H, W), as the images themselves are moved; 0 comes in."""
        return self._move(marked, self._draws(keys, step), "zeros")

    def _draws(self, keys: torch.Tensor, step: int) -> np.ndarray:
        return np.array([self._rng(step, key).uniform(-1, 1, 8) for key in keys.tolist()])

    def _rng(self, *drawn_for: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *drawn_for])

    def _move(self, images: torch.Tensor, draws: np.ndarray, padding: str) -> torch.Tensor:
        theta = torch.as_tensor(self._affine(draws), dtype=images.dtype, device=images.device)
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode=padding, align_corners=False)

    def _affine(self, draws: np.ndarray) -> np.ndarray:
        """Output-to-input maps (N, 2, 3) in grid coordinates (-1…1), from draws in -1…1 of shape (N, 8)."""
        angle = np.deg2rad(self.settings.rotate) * draws[:, 0]
        scale = 1 / (1 + self.settings.zoom * draws[:, 1])
        shear = self.settings.shear * draws[:, 2]
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        shift = 2 * self.settings.shift * draws[:, 3:5]
        side = np.where(draws[:, 7] < 2 * self.settings.mirror - 1, -1.0, 1.0)
        rows = [
            np.stack([side * cos, side * (cos * shear - sin), side * shift[:, 0]], 1),
            np.stack([sin, sin * shear + cos, shift[:, 1]], 1),
        ]
        return np.stack(rows, axis=1)
