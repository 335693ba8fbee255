"""An auxiliary loss where people marked opacities: the network learns where the evidence for COVID-19 lies.

With thousands of images and only their labels, a network learns what is easiest, such as the border. Boxes say where to
look, cell by cell, which is more to learn from than one label an image (Li et al. 2018, arXiv 1711.06373, do so for
chest radiographs). A linear read-out of the last stage but one is trained along with the network and then discarded, so
what is published is a plain ResNet.
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
"""Bias of the read-out at the start: most cells are not marked."""


class BoxLoss(nn.Module):
    """Compares a linear read-out of features with what people marked."""

    def __init__(self, channels: int):
        super().__init__()
        self.read_out = nn.Conv2d(channels, 1, kernel_size=1)
        nn.init.zeros_(self.read_out.weight)
        nn.init.constant_(cast(torch.Tensor, self.read_out.bias), _START)

    def forward(self, features: torch.Tensor, marked: torch.Tensor) -> torch.Tensor:
        """Mean over N images of each one's cross-entropy over cells, 0 where `marked` is unknown.

        Takes features (N, C, h, w) and marks (N, 1, H, W) in 0…1, NaN throughout an image where they are unknown. The
        mean is over all images, those without marks included: so it does not depend on processes or accumulation.
        """
        known = ~marked.isnan().flatten(1).any(dim=1)
        cells = functional.adaptive_avg_pool2d(marked.nan_to_num(), (features.shape[-2], features.shape[-1]))
        weight = torch.tensor(_MARKED_WEIGHT, device=features.device)
        losses = functional.binary_cross_entropy_with_logits(
            self.read_out(features.float()), cells, pos_weight=weight, reduction="none"
        )
        return (losses.mean(dim=(1, 2, 3)) * known).mean()
