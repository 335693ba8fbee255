"""A fitted gate: a few vectors beside the model, applied to the forward pass that gives the answer.

Its features are three views of that pass, none of which is enough alone. Pooled features of the last stage know what
training images show, but take an inverted X-ray for one; the first two stages know textures and edges; a thumbnail
knows what is up, what is dark and where. Together they reject what each of them accepts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn import functional
from transformers import PreTrainedConfig

VERSION = "1"
THUMBNAIL = 24
"""Side of the thumbnail in pixels."""

_MAX_DEVIATION = 5.0


@dataclass(frozen=True)
class Gate:
    """A logistic regression on standardized features: is an image like the X-rays that the model was trained on?

    Tensors are float32, of shape (D,) except `bias` and `threshold` (); `fitted_on` describes the images in one line.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    threshold: torch.Tensor
    fitted_on: str

    def score(self, features: torch.Tensor) -> torch.Tensor:
        """Log-odds, float32 (N,), that images are X-rays like those of training, from `join_features` (N, D)."""
        return standardize(features, self.mean, self.scale) @ self.weight + self.bias

    @overload
    def passes(self, score: torch.Tensor) -> torch.Tensor: ...
    @overload
    def passes(self, score: float) -> bool: ...
    def passes(self, score: torch.Tensor | float) -> torch.Tensor | bool:
        """Whether scores reach the threshold; NaN does not."""
        passed = score >= self.threshold
        return passed if isinstance(score, torch.Tensor) else bool(passed)

    def fits(self, config: PreTrainedConfig) -> bool:
        """Whether it was fitted on a network of this shape."""
        return len(self.weight) == feature_count(config)

    def save(self, path: Path) -> None:
        """Write one safetensors file with the version and `fitted_on` as metadata."""
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        # One metadata entry: several are written in arbitrary order, and equal gates would give different files.
        save_file(tensors, path, metadata={"gate": json.dumps({"version": VERSION, "made_from": self.fitted_on})})

    @classmethod
    def load(cls, path: Path) -> "Gate":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file is damaged, is not a gate, or has another version.
        """
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {}).get("gate", "{}"))
                tensors = {name: file.get_tensor(name).float() for name in _TENSORS}
        except (OSError, SafetensorError, ValueError, RecursionError) as error:
            raise ValueError(f"{path.name} is damaged or not a gate ({error})") from error
        if not isinstance(about, dict) or about.get("version") != VERSION:
            version = about.get("version") if isinstance(about, dict) else None
            raise ValueError(f"{path.name} has version {str(version)[:20]}, this program reads {VERSION}")
        _check_tensors(tensors, path.name)
        return cls(**tensors, fitted_on=str(about.get("made_from", "")))


def _check_tensors(tensors: dict[str, torch.Tensor], name: str) -> None:
    vectors = {tuple(tensors[vector].shape) for vector in ("mean", "scale", "weight")}
    if len(vectors) != 1 or tensors["weight"].dim() != 1 or tensors["bias"].dim() or tensors["threshold"].dim():
        raise ValueError(f"{name} holds tensors whose shapes do not fit each other")
    if not all(tensor.isfinite().all() for tensor in tensors.values()) or not (tensors["scale"] > 0).all():
        raise ValueError(f"{name} holds values that are not finite numbers, or scales that are not positive")


_TENSORS = [field.name for field in fields(Gate) if field.name != "fitted_on"]


def standardize(features: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Features (N, D) in deviations from their mean, clipped to ±5.

    Far from all images of the fit, an unbounded linear score could rise to either side without meaning anything.
    """
    return ((features - mean) / scale).clamp(-_MAX_DEVIATION, _MAX_DEVIATION)


def early_stage_moments(hidden_states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean and deviation of each channel of the first two stages, (N, 2 C1 + 2 C2), embedding first in the states."""
    return torch.cat([part for stage in hidden_states[1:3] for part in (stage.mean((2, 3)), stage.std((2, 3)))], dim=1)


def join_features(pixel_values: torch.Tensor, pooled: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Features, float32 (N, D) on the CPU, from the input (N, 3, S, S), the last stage's mean (N, C) and early moments.

    In this order: pooled features of the last stage; mean and deviation of each channel of the first two stages;
    thumbnail.
    """
    thumbnail = functional.adaptive_avg_pool2d(pixel_values[:, :1], THUMBNAIL).flatten(1)
    return torch.cat([part.float().cpu() for part in (pooled, moments, thumbnail)], dim=1)


def feature_count(config: PreTrainedConfig) -> int:
    """D, the number of features of a ResNet of this shape."""
    widths = config.hidden_sizes
    return widths[-1] + 2 * sum(widths[:2]) + THUMBNAIL**2
