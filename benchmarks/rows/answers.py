"""Answers against the network's own forward pass and against transformers' `pipeline`, file by file and as a folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import openvino
import torch
from measure import paired_seconds
from torch import nn
from transformers import pipeline
from transformers.utils import logging

from cxr import policy
from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.imaging.reader import read_radiograph
from cxr.network.openvino_runtime import precisions, runner, trace
from cxr.schema.labels import COVID, LABELS
from cxr.serving import batch, heatmap, input_files, loading
from cxr.serving.predictor import Predictor
from cxr.statistics.metrics import compute_metrics
from rows import inputs
from rows.record import Figure, Figures, Row, Settings, Target, ratio

CLOSE = 0.01
ADMISSIBLE = 0.995
"""Share of the images whose probabilities must be that close to float32."""

_BATCH = 8
_FOLDER, _PARTS = 500, 5
_SINGLE = 20

Pipeline = Callable[..., list]


class Pair(NamedTuple):
    """Both ways to answer with the same model."""

    ours: Predictor
    theirs: Pipeline


class Item(NamedTuple):
    """A file, and what the network is given of it, float32 (1, 3, S, S)."""

    path: Path
    pixel_values: torch.Tensor


def load_pair(model: str, device: str = "cpu") -> Pair:
    """Load a model both ways."""
    logging.set_verbosity_error()
    ours = Predictor.load(model)
    device_number = 0 if device == "cuda" else -1
    return Pair(ours, pipeline("image-classification", model=str(ours.pulled.folder), device=device_number))


def answer_with_heatmap(ours: Predictor, path: Path) -> None:
    """Everything from a file's bytes to the verdict with its heatmap."""
    xray = ours.read(path.read_bytes())
    heatmap.overlay_png(ours.explain(xray), xray.pixels.shape[::-1])


def covid_score(scores: Sequence[Mapping[str, Any]]) -> float:
    """The probability of COVID among the pipeline's scores of one image."""
    return next(row["score"] for row in scores if row["label"] == LABELS[COVID])


class Agreement(NamedTuple):
    """How far probabilities are from the expected ones, (N,) each."""

    largest: float
    share: float
    """Of those closer than `CLOSE` and with the same label."""


def agreement(probability: np.ndarray, expected: np.ndarray, threshold: float) -> Agreement:
    """Compare probabilities, and the labels that they give at an operating threshold."""
    apart = np.abs(probability - expected)
    labels, expected_labels = (
        np.array([policy.label(float(value), threshold) for value in values]) for values in (probability, expected)
    )
    return Agreement(float(apart.max()), float(np.mean((apart < CLOSE) & (labels == expected_labels))))


class _Logits(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values).logits


def forward_passes(
    ours: Predictor, shape: Sequence[int], device: str
) -> dict[str, Callable[[torch.Tensor], np.ndarray]]:
    """The network alone in each precision that the device has: its input → probabilities of COVID, (1,)."""
    network = _Logits(loading.load_model(ours.pulled)).eval()
    if device == "cuda":
        return {kind: _on_card(network, kind) for kind in ("f32", "bf16")}
    core, graph = openvino.Core(), trace(network, torch.zeros(1, 3, 64, 64), shape)
    runs = {kind: runner(core, graph, 1, kind) for kind in precisions(core)}
    return {kind: lambda values, run=run: _covid(run(values)[0]) for kind, run in runs.items()}


def _on_card(network: nn.Module, kind: str) -> Callable[[torch.Tensor], np.ndarray]:
    network.to("cuda")

    @torch.inference_mode()
    def run(values: torch.Tensor) -> np.ndarray:
        with torch.autocast("cuda", torch.bfloat16, enabled=kind == "bf16"):
            return _covid(network(values.to("cuda")).float().cpu())

    return run


def _covid(logits: torch.Tensor) -> np.ndarray:
    return logits.softmax(dim=-1)[:, COVID].numpy()


def measure_single(settings: Settings) -> Figures:
    """Each file in turn: our answer, its decoding alone, the pipeline's, and the network in each precision."""
    images = inputs.native_images(settings, 4 if settings.quick else _SINGLE)
    pair = load_pair(inputs.published_model(settings), settings.device)
    ours, theirs = pair
    items = [Item(path, network_input(ours, path)) for path in images.files]
    forward = forward_passes(ours, list(items[0].pixel_values.shape), settings.device)
    ways: dict[str, Callable[[Item], object]] = {
        "ours": lambda item: answer_with_heatmap(ours, item.path),
        "reading": lambda item: ours.read(item.path.read_bytes()),
        "explaining": lambda item: ours.explain(ours.read(item.path.read_bytes())),
        "pipeline": lambda item: theirs(str(item.path)),
        **{kind: lambda item, run=run: run(item.pixel_values) for kind, run in forward.items()},
    }
    for do in ways.values():
        do(items[0])
    seconds = paired_seconds(ways, items, settings.rounds, "one by one")
    ms = {name: f"{1000 * np.median(taken, axis=0).mean():.1f} ms" for name, taken in seconds.items()}
    admissible = _admissible(forward, items, ours.threshold)
    fastest = min(admissible, key=lambda kind: np.median(seconds[kind], axis=0).sum())
    passes = ", ".join(f"{kind} {ms[kind]}" for kind in forward)
    reason = (
        f"reading takes {ms['reading']}, with the network and its map {ms['explaining']}, with the heatmap {ms['ours']}"
    )
    words = f"{images.words}: ours {ms['ours']}"
    return {
        "forward": Figure(**ratio(seconds["ours"], seconds[fastest]), said=f"{words}, forward {passes}", reason=reason),
        "pipeline": Figure(
            **ratio(seconds["ours"], seconds["pipeline"]),
            said=f"{words}, pipeline {ms['pipeline']}",
            bound=0.33 if fastest != "f32" else None,
            reason=f"{fastest} is the fastest admissible precision; {reason}",
        ),
    }


def network_input(ours: Predictor, path: Path) -> torch.Tensor:
    """What the network is given of a file without any shortcut, float32 (1, 3, S, S)."""
    return to_pixel_values([read_radiograph(path).pixels], load_processor(ours.pulled.folder))


def _admissible(forward: Mapping[str, Callable], items: Sequence[Item], threshold: float) -> list[str]:
    """The precisions whose probabilities are as close to float32 as is allowed."""
    found = {kind: np.concatenate([run(item.pixel_values) for item in items]) for kind, run in forward.items()}
    return [kind for kind, values in found.items() if agreement(values, found["f32"], threshold).share >= ADMISSIBLE]


def measure_folder(settings: Settings) -> Figures:
    """A folder in parts, each answered both ways in turn; the pipeline's answers are those of float32."""
    images = inputs.clinic_images(settings, 2 * _PARTS if settings.quick else _FOLDER)
    pair = load_pair(inputs.published_model(settings), settings.device)
    concurrent = Predictor.load(str(pair.ours.pulled.folder), concurrency=joblib.cpu_count())
    found: dict[str, list[float]] = {"ours": [], "pipeline": []}

    def ours(files: Sequence[Path]) -> None:
        answers = batch.answer_files(concurrent, [input_files.ImageFile(file) for file in files])
        found["ours"] += [answer.answer.probability for answer in answers]

    def theirs(files: Sequence[Path]) -> None:
        found["pipeline"] += [covid_score(scores) for scores in pair.theirs(list(map(str, files)), batch_size=_BATCH)]

    parts = [images.files[first::_PARTS] for first in range(_PARTS)]
    ours(parts[0][:1])
    theirs(parts[0][:1])
    for probabilities in found.values():
        probabilities.clear()
    seconds = paired_seconds({"ours": ours, "pipeline": theirs}, parts, 1)
    rate = {name: f"{len(images.files) / taken.sum():.1f} files/s" for name, taken in seconds.items()}
    probability, expected = np.array(found["ours"]), np.array(found["pipeline"])
    agree = agreement(probability, expected, pair.ours.threshold)
    items = [Item(path, network_input(pair.ours, path)) for path in images.files[:_SINGLE]]
    fastest = _fastest_admissible(pair.ours, items, settings)
    labels = np.array([images.labels[images.files.index(file)] for part in parts for file in part])
    return {
        "rate": Figure(
            **ratio(seconds["pipeline"].T, seconds["ours"].T),
            said=f"{images.words} in {_PARTS} parts: ours {rate['ours']}, pipeline {rate['pipeline']}",
            bound=6.0 if fastest != "f32" else None,
            reason=f"{fastest} is the fastest admissible precision",
            price=price(labels, probability, expected, pair.ours.threshold) if settings.model else inputs.UNTRAINED,
        ),
        "agreement": Figure(
            100 * agree.share,
            said=f"largest difference {agree.largest:.4f}",
            price="" if settings.model else inputs.UNTRAINED,
        ),
    }


def _fastest_admissible(ours: Predictor, items: Sequence[Item], settings: Settings) -> str:
    forward = forward_passes(ours, list(items[0].pixel_values.shape), settings.device)
    ways = {kind: lambda item, run=run: run(item.pixel_values) for kind, run in forward.items()}
    seconds = paired_seconds(ways, items, settings.rounds)
    admissible = _admissible(forward, items, ours.threshold)
    return min(admissible, key=lambda kind: float(np.median(seconds[kind], axis=0).sum()))


def price(labels: np.ndarray, probability: np.ndarray, expected: np.ndarray, threshold: float) -> str:
    """What a shortcut costs against the expected probabilities, on images of known class; all (N,)."""
    auroc = [f"{compute_metrics(values, labels)['auroc']:.4f}" for values in (probability, expected)]
    found = agreement(probability, expected, threshold)
    return f"probabilities at most {found.largest:.4f} from fp32; AUROC {auroc[0]}, in fp32 {auroc[1]}"


SINGLE = Row(
    "one_file",
    {
        "forward": Target(
            "one file, bytes → verdict with heatmap, time",
            "the network's own forward pass in the fastest admissible precision",
            1.25,
        ),
        "pipeline": Target("the same", "`pipeline()`, label only", 0.45),
    },
    measure_single,
)
FOLDER = Row(
    "folder",
    {
        "rate": Target(
            f"a folder of {_FOLDER} files, files per second", "`pipeline()` with a batch", 3.5, at_least=True
        ),
        "agreement": Target(
            f"the same: answers within {CLOSE} of fp32 and of the same label", "all answers", 99.5, True, "%"
        ),
    },
    measure_folder,
)
