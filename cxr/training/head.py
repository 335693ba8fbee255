"""A linear head fitted to the backbone's features: all of `head`, and the first half of `lp_ft`.

Starting to train all layers from a fitted head instead of a random one keeps the first steps from distorting the
features of the pretrained backbone (Kumar et al. 2022, arXiv 2202.10054).
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import datasets
import torch
from accelerate.utils import broadcast_object_list
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import EvalPrediction, TrainerCallback

from cxr.errors import UserError
from cxr.network.model import linear_head
from cxr.training.data.batches import COLUMNS
from cxr.training.data.dataset import XrayDataset
from cxr.training.trainer import CovidTrainer, validation_metrics

MAX_IMAGES = 20_000
"""More images hardly improve a linear head of a few thousand weights, and the features of these fit into memory."""

DECAYS = tuple(10 ** (1 - step / 5) for step in range(26))
"""Weight decays that are tried, on standardized features: five per decade from 10 to 0.0001."""

_TOLERANCE = 1e-6

Measurements = dict[str, float | None]
Layer = tuple[torch.Tensor, torch.Tensor]
"""Weight float32 (2, C) and bias float32 (2,)."""


@dataclass(frozen=True)
class Features:
    """Pooled features float32 (N, C) and labels int64 (N,), on the CPU."""

    values: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Head:
    """The linear layer, float32 (2, C) and (2,), and what was measured when it was chosen."""

    weight: torch.Tensor
    bias: torch.Tensor
    measured: Measurements


class LogAtStart(TrainerCallback):
    """Log the measurements of a fitted head when training begins: only then do reporters listen."""

    def __init__(self, trainer: CovidTrainer, measured: Measurements):
        self.trainer, self.measured = trainer, measured

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Log before the first step."""
        self.trainer.log(self.measured)


def fit_head(trainer: CovidTrainer, dataset: XrayDataset, views: int) -> Measurements:
    """Fit a head to `views` views of the training images and put it into the trainer's model, the same on all ranks.

    Returns an entry for the trainer's log. All ranks must call this.
    """
    start = time.monotonic()
    train = pooled_features(trainer, dataset.splits["train"].select_columns(COLUMNS), views)
    validation = pooled_features(trainer, dataset.splits["validation"].select_columns(COLUMNS))
    chosen = choose(trainer, train, validation) if trainer.is_world_process_zero() else None
    head = broadcast_object_list([chosen])[0]
    with torch.no_grad():
        layer = linear_head(trainer.network)
        layer.weight.copy_(head.weight)
        layer.bias.copy_(head.bias)
    facts = {"head_views": views, "head_pictures": len(train.labels) // views}
    return {"epoch": 0.0, "head_seconds": time.monotonic() - start} | facts | head.measured


@torch.inference_mode()
def pooled_features(
    trainer: CovidTrainer, rows: datasets.Dataset | datasets.IterableDataset, views: int = 1
) -> Features:
    """Features of `views` views of each of the first `MAX_IMAGES` images: the original one, then augmented ones.

    Each process takes part of the batches; all of them get the same features in the same order, however many there
    are. No global random state is read or changed.
    """
    accelerator, backbone = trainer.accelerator, trainer.network.get_submodule("resnet").eval()
    values, labels = [], []
    for batch in accelerator.prepare_data_loader(_loader(trainer, rows)):
        batch_views = []
        for view in range(views):
            pixel_values = batch["pixel_values"]
            if view > 0 and trainer.augmentation is not None:
                pixel_values = trainer.augmentation(pixel_values, batch["keys"], view)
            with accelerator.autocast():
                pooled = backbone(pixel_values.contiguous(memory_format=torch.channels_last)).pooler_output
            batch_views.append(pooled.flatten(1).float())
        by_image, of_batch = accelerator.gather_for_metrics((torch.stack(batch_views, dim=1), batch["labels"]))
        values.append(by_image.flatten(0, 1).cpu())
        labels.append(of_batch.repeat_interleave(views).cpu())
    return Features(torch.cat(values), torch.cat(labels))


def _loader(trainer: CovidTrainer, rows: datasets.Dataset | datasets.IterableDataset) -> DataLoader[Any]:
    args, workers = trainer.args, trainer.args.dataloader_num_workers
    if isinstance(rows, datasets.IterableDataset):
        images, workers = rows.take(MAX_IMAGES), min(workers, rows.num_shards)
    else:
        images = rows.select(range(min(MAX_IMAGES, len(rows))))
    return DataLoader(
        images,
        batch_size=args.per_device_eval_batch_size,
        collate_fn=trainer.data_collator,
        num_workers=workers,
        generator=torch.Generator(),
    )


def choose(trainer: CovidTrainer, train: Features, validation: Features) -> Head:
    """The head whose weight decay is best on validation by the run's criterion, and by the loss where that ties.

    Raises:
        UserError: if a class is absent from the training images.
    """
    if len(train.labels.unique()) < 2:
        raise UserError("the training images hold only one class: no head can be fitted; train with --method full")
    criterion = f"eval_{(trainer.args.metric_for_best_model or 'loss').removeprefix('eval_')}"
    tried = [
        Head(*layer, {"head_weight_decay": decay, **_measure(trainer, layer, validation, "eval_")})
        for decay, layer in _regularization_path(train, trainer.class_weights)
    ]
    best = max(tried, key=lambda head: _rank(head.measured, criterion))
    on_training = _measure(trainer, (best.weight, best.bias), train, "head_")
    return Head(best.weight, best.bias, best.measured | {k: on_training[k] for k in ("head_loss", "head_accuracy")})


def _rank(measured: Measurements, criterion: str) -> tuple[float, float]:
    loss = measured["eval_loss"]
    by_loss = -math.inf if loss is None else -loss
    return (by_loss if criterion == "eval_loss" else measured[criterion] or 0.0), by_loss


def _measure(trainer: CovidTrainer, layer: Layer, features: Features, prefix: str) -> Measurements:
    logits = functional.linear(features.values, *layer)
    measured = validation_metrics(EvalPrediction(logits.numpy(), features.labels.numpy()))
    measured["loss"] = trainer.weighted_loss(logits, features.labels).item()
    return {f"{prefix}{name}": value for name, value in measured.items()}


def _regularization_path(features: Features, class_weights: torch.Tensor | None) -> Iterator[tuple[float, Layer]]:
    """Weight and bias for every weight decay, strongest first, each fit starting where the one before it ended.

    Features are standardized for the fit, and the standardization is folded into the layer. One thread sums in the same
    order everywhere, so that the result does not depend on how many threads a launcher leaves to this process.
    """
    mean, deviation = features.values.mean(dim=0), features.values.std(dim=0).clamp(min=1e-6)
    standard = ((features.values - mean) / deviation).numpy()
    weights = None if class_weights is None else class_weights[features.labels].numpy()
    regression = LogisticRegression(tol=_TOLERANCE, max_iter=1000, warm_start=True)
    for decay in DECAYS:
        regression.set_params(C=1 / (decay * len(standard)))
        with threadpool_limits(1):
            regression.fit(standard, features.labels.numpy(), weights)
        slope = torch.tensor(regression.coef_[0], dtype=torch.float32) / deviation
        offset = torch.tensor(regression.intercept_[0], dtype=torch.float32) - (slope * mean).sum()
        # The margin between the two logits is what was fitted: half of it for either class.
        yield decay, (torch.stack([-slope, slope]) / 2, torch.stack([-offset, offset]) / 2)
