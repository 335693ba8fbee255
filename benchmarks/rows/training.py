"""Training steps through this project's Trainer, against tensors in memory and against the Trainer's defaults."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measure import ROOT, in_turn, prepared_phantoms
from tqdm import tqdm
from transformers import ResNetForImageClassification, Trainer, TrainingArguments, set_seed

from cxr.imaging.geometry import short_side
from cxr.network.model import load_pretrained
from cxr.schema.labels import COVID
from cxr.serving import loading
from cxr.serving.predictor import Predictor
from cxr.training import arguments, run
from cxr.training.data.dataset import XrayDataset, load
from cxr.training.precision import with_precision
from rows import inputs
from rows.answers import network_input, price
from rows.record import Figure, Figures, Row, Settings, Target, ratio
from rows.steps import last_step, screen

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
_PRICED = 100
"""Images."""

_BF16_IS_FAST = 2.0
_WITH_FAST_BF16 = 4.0
_OFF = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": "false", "early_stopping_patience": "0"}
_QUIET = [word for name, value in (_OFF | {"disable_tqdm": "true"}).items() for word in (f"--{name}", value)]


class OurTrainers:
    """Trainers of `recipes/full.yaml` on prepared phantoms, each of which takes a few steps."""

    def __init__(self, settings: Settings, size: int, batch: int, steps: int = 2):
        folder = prepared_phantoms(settings.scratch, 3 * batch + 40, short_side(size))
        where = ["--dataset", str(folder), "--backbone", inputs.backbone(settings), "--method", "full"]
        shape = ["--input_size", str(size), "--per_device_train_batch_size", str(batch), "--max_steps", str(steps)]
        shape += ["--output_dir", str(settings.scratch / "run")]
        device = ["--use_cpu"] if settings.device == "cpu" else []
        recipe = str(ROOT / "recipes" / "full.yaml")
        parsed = arguments.parse([recipe, *where, *shape, *_QUIET, *device])
        self._arguments = with_precision(parsed, self._starting_model(parsed), resumed=False)
        self._dataset: XrayDataset = load(str(folder), None, size)
        self.precision = self._arguments.run.resolved_precision

    def __call__(self) -> Trainer:
        """A new one, with the weights of all others."""
        return run.make_trainer(self._arguments, self._dataset, self._starting_model(self._arguments))

    def _starting_model(self, settings: arguments.Arguments) -> ResNetForImageClassification:
        return load_pretrained(settings.model.backbone, None, settings.run.seed).model


class LastCall:
    """A function that remembers the seconds of its last call."""

    def __init__(self, do: Callable[..., Any]):
        self._do = do
        self.seconds = 0.0

    def __call__(self, *args: Any) -> Any:
        """Call it."""
        start = time.perf_counter()
        result = self._do(*args)
        self.seconds = time.perf_counter() - start
        return result


def measure(settings: Settings) -> Figures:
    """A step of each Trainer and one in memory in turn, after every way of the latter was tried once."""
    size, batch = inputs.input_size(settings), 2 if settings.quick else 32
    config, device = inputs.network_config(settings), settings.device
    trainers = OurTrainers(settings, size, batch)
    found = screen(config, size, batch, device, compile_too=not settings.quick)
    parts: list[tuple[float, float]] = []

    def ours() -> float:
        trainer = trainers()
        trainer.augmentation = augmenting = LastCall(trainer.augmentation)
        seconds, waiting = last_step(trainer, device)
        parts.append((waiting, augmenting.seconds))
        return seconds

    ways = {"ours": ours, "defaults": lambda: last_step(_default_trainer(settings, size, batch), device)[0]}
    seconds = in_turn(ways | {str(way): step for way, step in found.steps.items()}, settings.rounds)
    median = {way: statistics.median(taken) for way, taken in seconds.items()}
    best = min(map(str, found.steps), key=median.__getitem__)
    said = f"{_rate(batch, median['ours'])} in {trainers.precision}, {best} in memory {_rate(batch, median[best])}"
    waiting, augmenting = (statistics.median(values) / median["ours"] for values in zip(*parts, strict=True))
    spent = f"waiting for its batch {waiting:.0%}, augmentation {augmenting:.0%}"
    reason = f"of a step: {spent}; it computes in {trainers.precision} NHWC eager"
    gain = found.gain_of_bf16
    return {
        "memory": Figure(
            **ratio(seconds[best], seconds["ours"]),
            said=said + found.words,
            reason=reason,
            price=price_of(trainers.precision, settings),
        ),
        "defaults": Figure(
            **ratio(seconds["defaults"], seconds["ours"]),
            said=f"{_rate(batch, median['ours'])}, defaults {_rate(batch, median['defaults'])}",
            bound=_WITH_FAST_BF16 if gain and gain >= _BF16_IS_FAST else None,
            reason=f"bf16 is {gain:.2f} times as fast as fp32 in memory; {reason}" if gain else reason,
        ),
    }


def price_of(precision: str, settings: Settings) -> str:
    """What a trained model's probabilities lose in the precision of training, on images of known class."""
    if precision == "fp32":
        return "none: it is fp32"
    if settings.model is None:
        return inputs.UNTRAINED
    images = inputs.clinic_images(settings, 10 if settings.quick else _PRICED)
    predictor = Predictor.load(settings.model, precision="exact")
    model = loading.load_model(predictor.pulled).eval().to(settings.device)
    found: dict[torch.dtype, list[float]] = {torch.float32: [], _AUTOCAST[precision]: []}
    for file in tqdm(images.files, desc="price", leave=False):
        values = network_input(predictor, file).to(settings.device)
        for kind, probabilities in found.items():
            enabled = kind != torch.float32
            with torch.inference_mode(), torch.autocast(settings.device, kind, enabled=enabled):
                logits = model(values).logits.float()
            probabilities.append(float(logits.softmax(dim=1)[0, COVID]))
    expected, probability = (np.array(values) for values in found.values())
    return price(np.array(images.labels), probability, expected, predictor.threshold)


def _rate(batch: int, seconds: float) -> str:
    return f"{batch / seconds:.2f} images/s"


def _default_trainer(settings: Settings, size: int, batch: int) -> Trainer:
    """transformers' own, with nothing set but the batch and the number of steps, on tensors in memory."""
    set_seed(0)
    images = torch.randn(2 * batch, 3, size, size)
    rows: list[dict[str, Any]] = [{"pixel_values": image, "labels": n % 2} for n, image in enumerate(images)]
    where = {"output_dir": str(settings.scratch / "defaults"), "use_cpu": settings.device == "cpu"}
    quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no"}
    args = TrainingArguments(max_steps=2, per_device_train_batch_size=batch, **where, **quiet)
    return Trainer(model=ResNetForImageClassification(inputs.network_config(settings)), args=args, train_dataset=rows)


ROW = Row(
    "training_step",
    {
        "memory": Target(
            "training step, 224 px, batch 32, all layers, images per second",
            "the fastest of {fp32, bf16} × {NCHW, NHWC} × {eager, compiled} on tensors in memory",
            0.9,
            at_least=True,
        ),
        "defaults": Target("the same", "transformers' `Trainer` with its defaults", 1.2, at_least=True),
    },
    measure,
)
