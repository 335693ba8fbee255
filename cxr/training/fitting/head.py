"""A linear head fitted to the backbone's features: the whole of `head`, and the first half of `lp_ft`.

Starting all layers from a fitted head instead of a random one keeps the first steps from distorting the features that
pretraining has learned (Kumar et al. 2022, arXiv 2202.10054).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from accelerate.utils import broadcast_object_list
from torch.nn import functional
from transformers import EvalPrediction

from cxr.schema.labels import COVID
from cxr.training.data.dataset import XrayDataset
from cxr.training.data.streaming import COLUMNS
from cxr.training.fitting.features import Features, pooled
from cxr.training.fitting.trainer import CovidTrainer, validation_metrics

DECAYS = tuple(10 ** (1 - step / 5) for step in range(26))
"""Weight decays that are tried, on standardised features: five a decade from 10 to 0.0001, as close as epochs are."""


@dataclass(frozen=True)
class Head:
    """The linear layer, float32 (2, C) and (2,), and what was measured while it was chosen."""

    weight: torch.Tensor
    bias: torch.Tensor
    measured: dict[str, float | None]


def fit_head(trainer: CovidTrainer, dataset: XrayDataset, views: int) -> dict[str, float | None]:
    """Fit a head to `views` views of the training pictures and put it into the trainer's model, the same on all ranks.

    Returns an entry for the trainer's log. All ranks must call this.
    """
    start = time.monotonic()
    train = pooled(trainer, dataset.splits["train"].select_columns(COLUMNS), views)
    validation = pooled(trainer, dataset.splits["validation"].select_columns(COLUMNS))
    found = [choose(trainer, train, validation) if trainer.is_world_process_zero() else None]
    head = broadcast_object_list(found)[0]
    with torch.no_grad():
        trainer.model.classifier[1].weight.copy_(head.weight)
        trainer.model.classifier[1].bias.copy_(head.bias)
    facts = {"head_views": views, "head_pictures": len(train.labels) // views}
    return {"epoch": 0.0, "head_seconds": time.monotonic() - start} | facts | head.measured


def choose(trainer: CovidTrainer, train: Features, validation: Features) -> Head:
    """The head whose weight decay is best on validation by the run's own criterion, and by the loss where it ties."""
    criterion = f"eval_{trainer.args.metric_for_best_model.removeprefix('eval_')}"
    tried = [
        Head(*head, {"head_weight_decay": decay} | _measure(trainer, head, validation, "eval_"))
        for decay, head in _path(train, trainer.class_weights)
    ]
    best = max(tried, key=lambda head: _rank(head.measured, criterion))
    seen = _measure(trainer, (best.weight, best.bias), train, "head_")
    return Head(best.weight, best.bias, best.measured | {key: seen[key] for key in ("head_loss", "head_accuracy")})


def _rank(measured: dict[str, float | None], criterion: str) -> tuple[float, float]:
    loss = -measured["eval_loss"]
    return (loss if criterion == "eval_loss" else measured[criterion] or 0.0), loss


def _measure(
    trainer: CovidTrainer, head: tuple[torch.Tensor, torch.Tensor], features: Features, prefix: str
) -> dict[str, float | None]:
    logits = functional.linear(features.values, *head)
    found = validation_metrics(EvalPrediction(logits.numpy(), features.labels.numpy()))
    found["loss"] = trainer.weighted_loss(logits, features.labels).item()
    return {f"{prefix}{name}": value for name, value in found.items()}


def _path(
    features: Features, class_weights: torch.Tensor | None
) -> Iterator[tuple[float, tuple[torch.Tensor, torch.Tensor]]]:
    """Weight and bias for every weight decay, strongest first, each fit starting where the one before it ended.

    Features are standardised for the fit and the standardisation folded into the head.
    """
    mean, deviation = features.values.mean(dim=0), features.values.std(dim=0).clamp(min=1e-6)
    standard = (features.values - mean) / deviation
    weights = torch.ones(2) if class_weights is None else class_weights
    margin = torch.zeros(standard.shape[1] + 1)
    for decay in DECAYS:
        with _one_thread():
            margin = _logistic_regression(standard, features.labels, weights[features.labels], decay, margin)
        slope = margin[:-1] / deviation
        half = torch.stack([-slope, slope]) / 2
        offset = (margin[-1] - (slope * mean).sum()) / 2
        yield decay, (half, torch.stack([-offset, offset]))


def _logistic_regression(
    features: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, decay: float, start: torch.Tensor
) -> torch.Tensor:
    """Slope and offset float32 (C + 1,) of the margin by which COVID is the likelier, by full-batch L-BFGS."""
    margin = start.clone().requires_grad_()
    signs = torch.where(labels == COVID, 1.0, -1.0)
    optimizer = torch.optim.LBFGS([margin], max_iter=100, tolerance_grad=1e-5, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        losses = weights * functional.softplus(-signs * (features @ margin[:-1] + margin[-1]))
        loss = losses.mean() + decay / 2 * margin[:-1].square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    return margin.detach()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sum in one order, whatever the number of threads that a launcher leaves to this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
