"""One trial: a ResNet-50 trained from random weights with an intervention, and scored on internal and external images.

Every trial has the optimiser, schedule and class weights of `recipes/scratch.yaml`, its augmentation without noise
(which is there because of these trials), the same number of epochs and the same seeds. The training loop is written
out, because interventions change which images are drawn and which weights are kept.
"""

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, update_bn
from tqdm import tqdm
from transformers import ResNetForImageClassification, get_cosine_schedule_with_warmup

from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.network.classifier import Reading
from cxr.network.model import make_untrained
from cxr.phantom import draw_phantom
from cxr.schema.dataset import PHANTOM
from cxr.schema.labels import LABELS
from cxr.statistics.metrics import auroc
from cxr.training.arguments import AugmentationArguments, precisions
from cxr.training.data.batches import Augmentation, class_weights
from experiments.interventions import Intervention
from experiments.objectives import Batch, group_sizes, source_codes
from experiments.paired import Sample

LEARNING_RATE, WEIGHT_DECAY, BATCH, WARMUP = 1e-3, 0.01, 32, 0.05
PHANTOM_SHARE = 4
"""One epoch in so many is spent on phantoms, by the intervention that starts with them."""

Weights = dict[str, torch.Tensor]
Margins = dict[str, np.ndarray]
"""For each part the logits of COVID minus those of NON-COVID, float64 (N,)."""


@dataclass(frozen=True)
class Images:
    """N images uint8 (H, W), with their labels int (N,), sources and patients (`source:patient_id`)."""

    pixels: list[np.ndarray]
    labels: np.ndarray
    sources: list[str]
    patients: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sample(self) -> Sample:
        """Their labels and patients."""
        return Sample(self.labels, self.patients)

    def part(self, chosen: np.ndarray) -> "Images":
        """Those for which bool (N,) is true."""
        kept = np.flatnonzero(chosen).tolist()
        return Images(
            [self.pixels[index] for index in kept],
            self.labels[kept],
            [self.sources[index] for index in kept],
            [self.patients[index] for index in kept],
        )


@dataclass(frozen=True)
class Budget:
    """What every trial gets: the side in pixels of what the network sees, and the number of epochs."""

    size: int = 64
    epochs: int = 12


def load(dataset: Path, external: Path) -> dict[str, Images]:
    """The splits of a dataset, and the external set in two parts, `choose` and `report`, divided by a patient hash."""
    internal = datasets.load_dataset(str(dataset))
    parts = {split: _images(internal[split]) for split in ("train", "validation", "test")}
    held_out = _images(datasets.load_dataset(str(external))["test"])
    first = np.array([hashlib.sha256(patient.encode()).digest()[0] % 2 == 0 for patient in held_out.patients])
    return parts | {"choose": held_out.part(first), "report": held_out.part(~first)}


def _images(split: datasets.Dataset) -> Images:
    pixels = [np.asarray(image) for image in split["image"]]
    patients = [":".join(pair) for pair in zip(split["source"], split["patient_id"], strict=True)]
    return Images(pixels, np.array(split["label"]), list(split["source"]), patients)


def run(
    intervention: Intervention,
    keeps: Collection[str],
    seed: int,
    parts: Mapping[str, Images],
    budget: Budget,
    name: str = "",
) -> tuple[dict[str, Margins], float]:
    """Train one network, and keep its weights in one or several ways (`Intervention.keep`).

    Returns for each way the margins on every part but `train`, and the seconds that it took.
    """
    start = time.monotonic()
    inputs = {part: _inputs(images, intervention, budget.size) for part, images in parts.items()}
    model = make_untrained(seed)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # wrapped by transformers without its self
    epochs = budget.epochs
    if intervention.phantoms:
        on_phantoms = max(1, budget.epochs // PHANTOM_SHARE)
        epochs -= on_phantoms
        phantoms = _phantoms(len(parts["train"]))
        phantom_inputs = _inputs(phantoms, intervention, budget.size)
        for _ in _train(model, phantom_inputs, phantoms, intervention, seed, on_phantoms):
            pass
    finished_epochs = _train(model, inputs["train"], parts["train"], intervention, seed, epochs, name)
    margins = {}
    for keep, weights in _keep_weights(model, inputs, parts, finished_epochs, epochs, keeps).items():
        model.load_state_dict(weights)
        margins[keep] = {part: _score(model, inputs[part]) for part in parts if part != "train"}
    return margins, time.monotonic() - start


def _inputs(images: Images, intervention: Intervention, size: int) -> torch.Tensor:
    """What the network sees, float32 (N, 1, S, S): the gray channel is repeated only when a batch is made."""
    processor, preprocess = make_processor(size, intervention.crop_pct), intervention.preprocess
    changed = (preprocess(pixels) if preprocess else pixels for pixels in images.pixels)
    return torch.cat([to_pixel_values([pixels], processor).mean(dim=1, keepdim=True) for pixels in changed])


def _phantoms(count: int) -> Images:
    labels = np.arange(count) % 2
    pixels = [draw_phantom(10**7 + number, int(label)).image for number, label in enumerate(labels)]
    return Images(pixels, labels, [PHANTOM] * count, [str(number) for number in range(count)])


def _train(
    model: ResNetForImageClassification,
    inputs: torch.Tensor,
    images: Images,
    intervention: Intervention,
    seed: int,
    epochs: int,
    name: str = "",
) -> Iterator[int]:
    """Train in place and yield the number of each finished epoch."""
    sources, labels = source_codes(images.sources), torch.from_numpy(images.labels)
    objective = intervention.objective(_weights(images, intervention), group_sizes(sources, labels))
    trained = [*model.parameters(), *objective.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * (len(inputs) // BATCH)
    schedule = get_cosine_schedule_with_warmup(optimiser, int(WARMUP * steps), steps)
    augmentation = Augmentation(AugmentationArguments(noise=0), seed)
    rng = np.random.default_rng([seed, 1])
    has_bf16 = "bf16" in precisions(use_cpu=True)  # where it is emulated, a step takes many times as long
    progress = tqdm(total=steps, desc=name, unit=" steps", mininterval=10)
    for epoch in range(epochs):
        model.train()
        for step, batch in enumerate(_batches(images, intervention, rng)):
            x = augmentation(_repeat_channel(inputs[batch]), torch.from_numpy(batch), epoch * len(inputs) + step)
            if intervention.augment:
                x = intervention.augment(x, rng)
            x = x.contiguous(memory_format=torch.channels_last)
            done = schedule.last_epoch / max(steps, 1)
            with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16):
                loss = objective(model, Batch(x, labels[batch], sources[batch], done))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            progress.update()
        yield epoch
    progress.close()


def _weights(images: Images, intervention: Intervention) -> torch.Tensor:
    """The weight of each class in the loss, float32 (2,); 1 where the sources are balanced instead."""
    if intervention.balanced:
        return torch.ones(len(LABELS))
    return class_weights(dict(zip(LABELS, np.bincount(images.labels), strict=True)))


def _batches(images: Images, intervention: Intervention, rng: np.random.Generator) -> list[np.ndarray]:
    """Indices int64 (BATCH,) of one epoch: every image once, or as many draws with equal shares of the sources."""
    count = len(images)
    if intervention.balanced:
        names, codes, sizes = np.unique(images.sources, return_inverse=True, return_counts=True)
        order = rng.choice(count, count, p=1 / (len(names) * sizes[codes]))
    else:
        order = rng.permutation(count)
    return list(order[: count // BATCH * BATCH].reshape(-1, BATCH))


def _keep_weights(
    model: ResNetForImageClassification,
    inputs: Mapping[str, torch.Tensor],
    parts: Mapping[str, Images],
    finished_epochs: Iterator[int],
    epochs: int,
    keeps: Collection[str],
) -> dict[str, Weights]:
    """The weights kept in each way: of the epoch with the highest AUROC on a part, or the second half's average."""
    averaged, best, kept = AveragedModel(model), dict.fromkeys(keeps, -1.0), {}
    for epoch in finished_epochs:
        if epoch >= epochs // 2:
            averaged.update_parameters(model)
        for part in set(keeps) - {"average"}:
            reached = auroc(_score(model, inputs[part]), parts[part].labels)
            if reached is not None and reached > best[part]:
                best[part] = reached
                kept[part] = {key: value.clone() for key, value in model.state_dict().items()}
    if "average" in keeps:
        update_bn((_repeat_channel(batch) for batch in inputs["train"].split(BATCH)), averaged)
        kept["average"] = averaged.module.state_dict()
    return kept


def _repeat_channel(gray: torch.Tensor) -> torch.Tensor:
    return gray.expand(-1, 3, -1, -1)


@torch.inference_mode()
def _score(model: ResNetForImageClassification, inputs: torch.Tensor) -> np.ndarray:
    """The margins of images, float64 (N,), in fp32."""
    model.eval()
    x = _repeat_channel(inputs).contiguous(memory_format=torch.channels_last)
    return Reading().margin(torch.cat([model(batch).logits for batch in x.split(64)]).numpy())
