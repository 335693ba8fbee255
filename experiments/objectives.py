"""What a trial minimises: the recipe's weighted cross-entropy, or what makes a source harder to exploit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import ResNetForImageClassification

from cxr.network.activation_map import evidence_by_cell
from cxr.network.model import linear_head
from cxr.schema.labels import COVID
from experiments.segmenter import lung_masks

STEP = 0.01
"""How fast the weights of groups follow their losses: the value of the paper's experiments."""


@dataclass(frozen=True)
class Batch:
    """Images float32 (B, 3, S, S) as the network sees them, labels and sources int64 (B,), and how far training is."""

    images: torch.Tensor
    labels: torch.Tensor
    sources: torch.Tensor
    progress: float


class CrossEntropy(nn.Module):
    """The cross-entropy, weighted by class, as the recipes have it."""

    weights: torch.Tensor

    def __init__(self, weights: torch.Tensor, groups: torch.Tensor):
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, model: ResNetForImageClassification, batch: Batch) -> torch.Tensor:
        """The mean over the batch."""
        return self.of(model(batch.images).logits, batch.labels)

    def of(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean over logits (B, 2)."""
        losses = functional.cross_entropy(logits.float(), labels, reduction="none")
        return (losses * self.weights[labels]).mean()


class GroupDRO(nn.Module):
    """The loss of the worst groups of one source and label (Sagawa et al. 2020, arXiv 1911.08731, algorithm 1)."""

    logits: torch.Tensor

    def __init__(self, weights: torch.Tensor, groups: torch.Tensor):
        super().__init__()
        self.register_buffer("logits", torch.where(groups.flatten() > 0, 0.0, -torch.inf))

    def forward(self, model: ResNetForImageClassification, batch: Batch) -> torch.Tensor:
        """The sum over groups of their mean losses, each by its share; a group's share grows with its loss."""
        losses = functional.cross_entropy(model(batch.images).logits.float(), batch.labels, reduction="none")
        group = batch.sources * 2 + batch.labels
        counts = torch.bincount(group, minlength=len(self.logits))
        means = torch.zeros(len(self.logits)).index_add(0, group, losses) / counts.clamp(min=1)
        self.logits += STEP * means.detach()
        return (torch.softmax(self.logits, 0) * means).sum()


class SourceAdversarial(CrossEntropy):
    """Cross-entropy, while features are trained so that no source can be told (Ganin et al. 2016, arXiv 1505.07818)."""

    def __init__(self, weights: torch.Tensor, groups: torch.Tensor):
        super().__init__(weights, groups)
        self.adversary = nn.Sequential(nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, len(groups)))

    def forward(self, model: ResNetForImageClassification, batch: Batch) -> torch.Tensor:
        """The loss of the label, plus that of the source through a reversed gradient that grows during training."""
        features = model.resnet(batch.images).pooler_output
        strength = 2 / (1 + np.exp(-10 * batch.progress)) - 1
        reversed_features = _Reverse.apply(features.flatten(1).float(), strength)
        with torch.autocast("cpu", enabled=False):
            source_loss = functional.cross_entropy(self.adversary(reversed_features), batch.sources)
        return self.of(model.classifier(features), batch.labels) + source_loss


class LungActivation(CrossEntropy):
    """Cross-entropy, and the share of the evidence that lies outside the lungs, as a segmenter finds them.

    Training a network to be right for the right reasons (Ross et al. 2017, arXiv 1703.03717), with the class activation
    map instead of input gradients.
    """

    def forward(self, model: ResNetForImageClassification, batch: Batch) -> torch.Tensor:
        """The loss of the label plus that share, averaged over the batch."""
        found = model.resnet(batch.images)
        evidence = evidence_by_cell(found.last_hidden_state, linear_head(model).weight, COVID).abs()
        lungs = functional.max_pool2d(lung_masks(batch.images).float(), 9, 1, 4)
        _, height, width = evidence.shape
        inside = functional.adaptive_avg_pool2d(lungs, (height, width))[:, 0]
        outside = (evidence * (1 - inside)).sum((1, 2)) / evidence.sum((1, 2)).clamp(min=1e-6)
        return self.of(model.classifier(found.pooler_output), batch.labels) + outside.mean()


class _Reverse(torch.autograd.Function):
    """The identity, whose gradient is multiplied by -strength."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.strength * gradients[0], None


Objective = Callable[[torch.Tensor, torch.Tensor], nn.Module]
"""Class weights float32 (2,) and images by source and label int64 (S, 2) → what is called with network and `Batch`."""


def source_codes(sources: Sequence[str]) -> torch.Tensor:
    """Each image's source as a number from 0, int64 (N,)."""
    return torch.from_numpy(np.unique(sources, return_inverse=True)[1])


def group_sizes(sources: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How many images each source has of each label, int64 (S, 2)."""
    return torch.bincount(sources * 2 + labels, minlength=2 * (int(sources.max()) + 1)).reshape(-1, 2)
