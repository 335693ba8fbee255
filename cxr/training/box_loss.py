"""An auxiliary loss where people marked opacities: the network learns where the evidence for COVID-19 lies.

With thousands of images and only their labels, a network learns what is easiest, such as the border. Boxes say where to
look, cell by cell, which is more to learn from than one label an image (Li et al. 2018, arXiv 1711.06373, do so for
chest radiographs). A linear read-out of the last stage but one is compared with them; on request the class activation
map is too, so that what the app shows as evidence lies where people saw it. The read-out and the map's offset are
trained along with the network and then discarded, so what is published is a plain ResNet.
"""

from typing import cast

import torch
from torch import nn
from torch.nn import functional

NAME = "box_loss"
"""Of the submodule by which a network carries it while it is trained: in its checkpoints, optimizer and processes."""

_MARKED_WEIGHT = 2.0
"""Of marked cells, which are far fewer than the others."""

_START = -2.0
"""Bias of both maps at the start: most cells are not marked."""


class BoxLoss(nn.Module):
    """Compares a linear read-out of features, and on request the evidence for COVID, with what people marked."""

    def __init__(self, channels: int, weight: float = 1.0, heatmap_weight: float = 0.0):
        super().__init__()
        self.weight, self.heatmap_weight = weight, heatmap_weight
        self.read_out = nn.Conv2d(channels, 1, kernel_size=1)
        nn.init.zeros_(self.read_out.weight)
        nn.init.constant_(cast(torch.Tensor, self.read_out.bias), _START)
        # A parameter without a gradient would stop a training by several processes.
        self.offset = nn.Parameter(torch.tensor(_START)) if heatmap_weight else None

    def forward(self, features: torch.Tensor, evidence: torch.Tensor, marked: torch.Tensor) -> torch.Tensor:
        """Mean over N images of each one's weighted cross-entropy over cells, 0 where `marked` is unknown.

        Takes features (N, C, h, w), evidence in units of the logit (N, 1, h', w') and marks (N, 1, H, W) in 0…1, NaN
        throughout an image where they are unknown. The mean is over all images, those without marks included: so it
        does not depend on processes or accumulation.
        """
        known, marks = ~marked.isnan().flatten(1).any(dim=1), marked.nan_to_num()
        losses = self.weight * _cross_entropy(self.read_out(features.float()), marks)
        if self.offset is not None:
            losses = losses + self.heatmap_weight * _cross_entropy(evidence.float() + self.offset, marks)
        return (losses * known).mean()


def _cross_entropy(logits: torch.Tensor, marked: torch.Tensor) -> torch.Tensor:
    """Mean over the cells of each image: (N,) from logits (N, 1, h, w) and marks (N, 1, H, W)."""
    cells = functional.adaptive_avg_pool2d(marked, (logits.shape[-2], logits.shape[-1]))
    weight = torch.tensor(_MARKED_WEIGHT, device=logits.device)
    losses = functional.binary_cross_entropy_with_logits(logits, cells, pos_weight=weight, reduction="none")
    return losses.mean(dim=(1, 2, 3))
