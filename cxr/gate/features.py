"""What the gate looks at: three views of one forward pass, none of which is enough alone.

Pooled features know what training pictures are about but take an inverted X-ray for one; the first two stages know
textures and edges; a thumbnail knows what is up, what is dark and where. Together they refuse what each lets pass.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedConfig

THUMBNAIL = 24
"""Side in pixels of the thumbnail."""


def features(pixel_values: torch.Tensor, hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Float32 (N, D) on the CPU from the network's input (N, 3, S, S) and its `output_hidden_states`, embedding first.

    In order: pooled features of the last stage, mean and deviation of every channel of the first two stages, thumbnail.
    """
    return joined(pixel_values, hidden_states[-1].mean((2, 3)), moments(hidden_states))


def moments(hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean and deviation of every channel of the first two stages, (N, 2 C1 + 2 C2)."""
    return torch.cat([part for stage in hidden_states[1:3] for part in (stage.mean((2, 3)), stage.std((2, 3)))], dim=1)


def joined(pixel_values: torch.Tensor, pooled: torch.Tensor, early: torch.Tensor) -> torch.Tensor:
    """The same features from `pooled` (N, C) and `moments`, for a runtime that hands out no hidden states."""
    thumbnail = functional.adaptive_avg_pool2d(pixel_values[:, :1], THUMBNAIL).flatten(1)
    return torch.cat([part.float().cpu() for part in (pooled, early, thumbnail)], dim=1)


def length(config: PreTrainedConfig) -> int:
    """D, the number of features of a ResNet of this shape."""
    widths = config.hidden_sizes
    return widths[-1] + 2 * sum(widths[:2]) + THUMBNAIL**2
