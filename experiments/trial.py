"""One trial: a ResNet-50 from random weights, trained with or without a mean, scored inside and outside.

Every trial has the project's own optimiser, schedule, augmentation and class weights, the same number of epochs and the
same seeds. The loop is written out, because weights, epochs and pictures are what the means change.
"""

import hashlib
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, update_bn
from tqdm import tqdm
from transformers import ResNetForImageClassification, get_cosine_schedule_with_warmup

from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.model import make_untrained
from cxr.phantom import draw_phantom
from cxr.schema.dataset import PHANTOM
from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.statistics.metrics import auroc
from cxr.training.arguments import AugmentationArguments
from cxr.training.data.augmentation import Augmentation
from cxr.training.data.dataset import class_weights
from experiments.interventions import Mean

LEARNING_RATE, WEIGHT_DECAY, BATCH, WARMUP = 1e-3, 0.01, 32, 0.05
PHANTOM_SHARE = 4


@dataclass(frozen=True)
class Pictures:
    """Some pictures uint8 (H, W) each, their labels int (N,), sources and patients."""

    pixels: list[np.ndarray]
    labels: np.ndarray
    sources: list[str]
    patients: list[str]

    def part(self, chosen: np.ndarray) -> "Pictures":
        """Those where bool (N,) says so."""
        kept = np.flatnonzero(chosen)
        lists = ([values[i] for i in kept] for values in (self.pixels, self.sources, self.patients))
        pixels, sources, patients = lists
        return Pictures(pixels, self.labels[kept], sources, patients)


@dataclass(frozen=True)
class Budget:
    """What every trial gets: side in pixels of what the network sees, and epochs."""

    size: int = 64
    epochs: int = 12


def load(dataset: Path, external: Path) -> dict[str, Pictures]:
    """The three splits, and the external set as `choose` and `report`, halved by the hash of the patient."""
    inside, outside = datasets.load_dataset(str(dataset)), datasets.load_dataset(str(external))
    found = {split: _pictures(inside[split]) for split in ("train", "validation", "test")}
    aside = _pictures(outside["test"])
    first = np.array([hashlib.sha256(name.encode()).digest()[0] % 2 == 0 for name in aside.patients])
    return found | {"choose": aside.part(first), "report": aside.part(~first)}


def _pictures(split: datasets.Dataset) -> Pictures:
    pixels = [np.asarray(image) for image in split["image"]]
    patients = [":".join(pair) for pair in zip(split["source"], split["patient_id"], strict=True)]
    return Pictures(pixels, np.array(split["label"]), list(split["source"]), patients)


def run(
    mean: Mean, keeps: Collection[str], seed: int, parts: dict[str, Pictures], budget: Budget, name: str = ""
) -> dict:
    """Train one network and keep its weights in one or several ways (`Mean.keep`).

    Returns for each way the logit differences float (N,) on every part but `train`, and `seconds`, a float.
    """
    start = time.monotonic()
    seen = {part: _tensor(pictures, mean, budget.size) for part, pictures in parts.items()}
    model = make_untrained(seed).to(memory_format=torch.channels_last)
    epochs = budget.epochs
    if mean.phantoms:
        phantoms = _phantoms(len(seen["train"]))
        epochs -= max(1, budget.epochs // PHANTOM_SHARE)
        for _ in _epochs(model, _tensor(phantoms, mean, budget.size), phantoms, mean, seed, budget.epochs - epochs):
            pass
    trained = _epochs(model, seen["train"], parts["train"], mean, seed, epochs, name)
    kept = {}
    for keep, weights in _kept(model, seen, parts, trained, epochs, keeps).items():
        model.load_state_dict(weights)
        kept[keep] = {part: _score(model, seen[part]) for part in parts if part != "train"}
    return {keep: scores | {"seconds": time.monotonic() - start} for keep, scores in kept.items()}


def _tensor(pictures: Pictures, mean: Mean, size: int) -> torch.Tensor:
    """What the network sees, float32 (N, 1, S, S): the gray channel is repeated only in a batch."""
    processor = make_processor(size, mean.crop_pct)
    changed = (mean.see(pixels) if mean.see else pixels for pixels in pictures.pixels)
    return torch.cat([to_pixel_values([pixels], processor).mean(dim=1, keepdim=True) for pixels in changed])


def _phantoms(count: int) -> Pictures:
    labels = np.arange(count) % 2
    pixels = [draw_phantom(10**7 + number, int(label)).image for number, label in enumerate(labels)]
    return Pictures(pixels, labels, [PHANTOM] * count, [str(number) for number in range(count)])


def _epochs(
    model: ResNetForImageClassification,
    seen: torch.Tensor,
    pictures: Pictures,
    mean: Mean,
    seed: int,
    epochs: int,
    name: str = "",
) -> Iterator[int]:
    """Train in place and yield the number of each finished epoch."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * (len(seen) // BATCH)
    schedule = get_cosine_schedule_with_warmup(optimiser, int(WARMUP * steps), steps)
    augment = Augmentation(AugmentationArguments(), seed)
    labels = torch.from_numpy(pictures.labels)
    weight = None if mean.balanced else class_weights(dict(zip(LABELS, np.bincount(pictures.labels), strict=True)))
    rng = np.random.default_rng([seed, 1])
    progress = tqdm(total=steps, desc=name, unit=" steps", mininterval=10)
    for epoch in range(epochs):
        model.train()
        for step, batch in enumerate(_batches(pictures, mean, rng)):
            x = augment(_colour(seen[batch]), torch.from_numpy(batch), epoch * len(seen) + step)
            for vary in mean.vary:
                x = vary(x, rng)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x.contiguous(memory_format=torch.channels_last)).logits
            loss = functional.cross_entropy(logits.float(), labels[batch], reduction="none")
            (loss if weight is None else loss * weight[labels[batch]]).mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step(), schedule.step(), optimiser.zero_grad(), progress.update()
        yield epoch
    progress.close()


def _batches(pictures: Pictures, mean: Mean, rng: np.random.Generator) -> list[np.ndarray]:
    """Positions int64 (BATCH,) of one epoch: every picture once, or as many draws that favour no source."""
    count = len(pictures.labels)
    if mean.balanced:
        names, codes, sizes = np.unique(pictures.sources, return_inverse=True, return_counts=True)
        order = rng.choice(count, count, p=1 / (len(names) * sizes[codes]))
    else:
        order = rng.permutation(count)
    return list(order[: count // BATCH * BATCH].reshape(-1, BATCH))


def _kept(
    model: ResNetForImageClassification,
    seen: dict[str, torch.Tensor],
    parts: dict[str, Pictures],
    trained: Iterator[int],
    epochs: int,
    keeps: Collection[str],
) -> dict[str, dict[str, torch.Tensor]]:
    """The weights kept in each way: of the epoch with the best AUROC on a part, or averaged over the second half."""
    averaged, best, kept = AveragedModel(model), dict.fromkeys(keeps, -1.0), {}
    for epoch in trained:
        if epoch >= epochs // 2:
            averaged.update_parameters(model)
        for part in set(keeps) - {"average"}:
            reached = auroc(_score(model, seen[part]), parts[part].labels)
            if reached > best[part]:
                best[part] = reached
                kept[part] = {key: value.clone() for key, value in model.state_dict().items()}
    if "average" in keeps:
        update_bn((_colour(batch) for batch in seen["train"].split(BATCH)), averaged)
        kept["average"] = averaged.module.state_dict()
    return kept


def _colour(gray: torch.Tensor) -> torch.Tensor:
    return gray.expand(-1, 3, -1, -1)


@torch.inference_mode()
def _score(model: ResNetForImageClassification, seen: torch.Tensor) -> np.ndarray:
    """The logit difference, COVID minus NON-COVID, float64 (N,), in fp32."""
    model.eval()
    x = _colour(seen).contiguous(memory_format=torch.channels_last)
    logits = torch.cat([model(part).logits for part in x.split(64)]).double()
    return (logits[:, COVID] - logits[:, NON_COVID]).numpy()
