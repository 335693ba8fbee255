"""A fitted gate: a handful of vectors beside the model, applied to the forward pass that answers anyway."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import functional
from transformers import PreTrainedConfig

FILE_NAME = "gate.safetensors"
VERSION = "1"
_FARTHEST = 5.0

THUMBNAIL = 24
"""Side in pixels of the thumbnail."""


@dataclass(frozen=True)
class Gate:
    """A logistic regression on standardised features; float32 tensors, (D,) each but `bias` and `threshold` ().

    `fitted_on` says, in one line, what it was fitted on.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    threshold: torch.Tensor
    fitted_on: str

    def score(self, pixel_values: torch.Tensor, hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
        """Log-odds, float32 (N,), that pictures are X-rays like those it learned from.

        Takes the network's input (N, 3, S, S) and the `hidden_states` of the same forward.
        """
        return self.score_features(gate_features(pixel_values, hidden_states))

    def score_features(self, found: torch.Tensor) -> torch.Tensor:
        """The same from features (N, D)."""
        return standardize(found, self.mean, self.scale) @ self.weight + self.bias

    def passes(self, score: torch.Tensor | float) -> torch.Tensor | bool:
        """Whether scores reach the threshold; a score that is no number does not."""
        passed = score >= self.threshold
        return passed if isinstance(score, torch.Tensor) else bool(passed)

    def fits(self, config: PreTrainedConfig) -> bool:
        """Whether it was fitted on a network of this shape."""
        return len(self.weight) == feature_count(config)

    def save(self, path: Path) -> None:
        """Write one safetensors file; its metadata says the version and what the gate was fitted on."""
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        # One entry: several would be written in an order of chance, and the same gate would not be the same file.
        save_file(tensors, path, metadata={"gate": json.dumps({"version": VERSION, "made_from": self.fitted_on})})

    @classmethod
    def load(cls, path: Path) -> "Gate":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file is damaged, is no gate, or is one of another version.
        """
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {}).get("gate", "{}"))
                tensors = {name: file.get_tensor(name).float() for name in _TENSORS}
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path.name} is damaged or no gate ({error})") from error
        if about.get("version") != VERSION:
            raise ValueError(f"{path.name} is of version {about.get('version')}, this program reads {VERSION}")
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError(f"{path.name} holds values that are no numbers")
        return cls(**tensors, fitted_on=about.get("made_from", ""))


def standardize(found: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Features (N, D) in deviations from their mean, cut off at ±5.

    Far from all it was fitted on, a line would go on rising or falling for ever, and either may happen to mean "X-ray".
    """
    return ((found - mean) / scale).clamp(-_FARTHEST, _FARTHEST)


_TENSORS = [field.name for field in fields(Gate) if field.name != "fitted_on"]


def gate_features(pixel_values: torch.Tensor, hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Float32 (N, D) on the CPU from the network's input (N, 3, S, S) and its `output_hidden_states`, embedding first.

    In order: pooled features of the last stage, mean and deviation of every channel of the first two stages, thumbnail.
    """
    return join_features(pixel_values, hidden_states[-1].mean((2, 3)), early_stage_moments(hidden_states))


def early_stage_moments(hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean and deviation of every channel of the first two stages, (N, 2 C1 + 2 C2)."""
    return torch.cat([part for stage in hidden_states[1:3] for part in (stage.mean((2, 3)), stage.std((2, 3)))], dim=1)


def join_features(pixel_values: torch.Tensor, pooled: torch.Tensor, early: torch.Tensor) -> torch.Tensor:
    """The same features from `pooled` (N, C) and `moments`, for a runtime that hands out no hidden states."""
    thumbnail = functional.adaptive_avg_pool2d(pixel_values[:, :1], THUMBNAIL).flatten(1)
    return torch.cat([part.float().cpu() for part in (pooled, early, thumbnail)], dim=1)


def feature_count(config: PreTrainedConfig) -> int:
    """D, the number of features of a ResNet of this shape."""
    widths = config.hidden_sizes
    return widths[-1] + 2 * sum(widths[:2]) + THUMBNAIL**2
