"""The predictor: page, API, MCP tools and terminal all answer with it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import BaseImageProcessor, ResNetForImageClassification
from transformers.utils import logging

from cxr import policy
from cxr.errors import UnreadableImage, UserError, one_line
from cxr.gate.gate import join_features
from cxr.hub import Pulled, pull_or_last
from cxr.imaging import reader
from cxr.imaging.colour import PHOTOGRAPH_THRESHOLD
from cxr.imaging.preprocess import FastPixelValues, load_processor, processor_short_side, to_pixel_values
from cxr.imaging.reader import Radiograph
from cxr.network import heatmap_quality
from cxr.network.activation_map import activation_map, describe_location
from cxr.network.finer_cells import finer_map
from cxr.network.model_folder import check_cost
from cxr.schema.verdicts import DISCLAIMER
from cxr.serving import has_gpu_per_call, loading, runtime
from cxr.serving.answer import Answer, Explanation

Precision = Literal["exact", "fast"]
"""`exact`: full decoding and float32, the probabilities of `transformers.pipeline`. `fast`: the fastest way on this
machine whose probabilities agree with those to the second digit."""

COLOUR_WARNING = (
    "The image has colours, and X-rays have none. If it is a photograph of a screen or a film, the answer is "
    "unreliable: use the original file."
)

_BROKEN_MODEL = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    SafetensorError,
)
"""What transformers, safetensors, torch and OpenVINO raise over files whose values they cannot use."""

_MAX_REASON = 300
"""Characters: transformers lists everything that it knows."""

_BLANK = Radiograph(np.full((256, 256), 128, np.uint8), 256, 256, "L", "PNG")
"""What a model answers first, before anyone relies on it."""

_DECODED_PER_INPUT = 2
"""Pixels decoded for each pixel that the network sees, along a side: more take time and change nothing."""


class Predictor:
    """A published model, ready to answer: on CUDA where there is one.

    Attributes:
        pulled: the model's id, revision and folder.
        precision: see `Precision`; always exact if the model's own preprocessing cannot be done faster.
        concurrency: how many calls from different threads run in parallel; more means more answers per second.
        threshold: the operating threshold on the probability of COVID.
        quantiles: the conformal quantile of each class, if the model has them.
        notice: reservations about the model's origin.
        shows_heatmap: whether its heatmaps were found better than chance on patients; if not, no zone is named.
        heatmap_words: what was measured of its heatmaps, or that nothing was.
        validation_distribution: what the images of validation were given, if its repo states that.
        computed_by: runtime, precision and device.
        runtime_note: the measurement by which the precision was chosen, such as "bf16: 2.1 times f32 here"; else empty.
    """

    def __init__(
        self,
        pulled: Pulled,
        model: ResNetForImageClassification,
        precision: Precision = "fast",
        concurrency: int = 1,
    ):
        self.pulled = pulled
        self.concurrency = concurrency
        self.threshold = loading.operating_threshold(model.config, pulled)
        self.quantiles = loading.conformal_quantiles(model.config, pulled)
        self.notice = loading.notice(model.config, pulled)
        metrics = loading.read_metrics(pulled.folder)
        measured = loading.measured_heatmaps(model.config, metrics)
        self.shows_heatmap = heatmap_quality.may_be_shown(measured)
        self.heatmap_words = heatmap_quality.in_words(measured)
        self._finer_cells = self.shows_heatmap and loading.has_finer_cells(metrics)
        self.validation_distribution = loading.validation_distribution(metrics)
        self._gate = loading.load_gate(model.config, pulled)
        self._covid = loading.covid_index(model.config, pulled)
        self._head = model.get_parameter("classifier.1.weight").detach().float().cpu()
        processor = load_processor(pulled.folder)
        short_side = processor_short_side(processor)
        self.precision: Precision = "exact"
        self._decoded_side: int | None = None  # full decoding
        if precision == "fast" and short_side is not None:
            self.precision, self._decoded_side = "fast", _DECODED_PER_INPUT * short_side
        self._preprocess = _preprocessing(processor, self.precision)
        check_cost(model.config, *self._preprocess(_BLANK.pixels).shape[-2:])
        self._network = _network(model, processor, self.precision, concurrency, self._finer_cells)
        self.computed_by, self.runtime_note = self._network.computed_by, self._network.note

    @classmethod
    def load(
        cls, model: str, revision: str | None = None, precision: Precision = "fast", concurrency: int = 1
    ) -> "Predictor":
        """Download a model repo, or take a folder, and prepare it to answer.

        Args:
            model: repo id or folder.
            revision: branch, tag or commit; the newest without it.
            precision: see `Precision`.
            concurrency: see the class.

        Raises:
            ValueError: if there is no such precision.
            UserError: if it cannot be had, is not a classifier of this project's two classes, is damaged, or has no
                answer for a blank image.
        """
        if precision not in get_args(Precision):
            raise ValueError(f"precision is {precision!r}, not one of {get_args(Precision)}")
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        pulled = pull_or_last(model, revision)
        try:
            predictor = cls(pulled, loading.load_model(pulled), precision, concurrency)
            if not has_gpu_per_call():
                predictor.explain(_BLANK)
            return predictor
        except _BROKEN_MODEL as error:
            reason = one_line(error)[:_MAX_REASON]
            raise UserError(f"{loading.display_name(pulled)} cannot be loaded, publish it again: {reason}") from error

    def read(self, source: bytes | Path) -> Radiograph:
        """Decode an image file, or its bytes, at the resolution that the answer needs.

        Raises:
            UnreadableImage: if it is missing, empty, damaged, animated, too large or not an image.
        """
        return reader.read_radiograph(source, min_short_side=self._decoded_side, hashed=False)

    def predict(self, xray: Radiograph) -> Answer:
        """Answer for one radiograph of any size.

        Raises:
            UnreadableImage: if it is a DICOM that is not a frontal X-ray by its header, or far too elongated.
            UserError: if the weights are broken.
        """
        return self.explain(xray).answer

    @torch.inference_mode()
    def explain(self, xray: Radiograph) -> Explanation:
        """The same answer with its activation map; probability, gate and map come from one forward pass."""
        if xray.header and xray.header.refusal:
            raise UnreadableImage(xray.header.refusal)
        pixel_values = self._preprocess(xray.pixels)
        output = self._network.run(pixel_values)
        probability = float(output.logits.softmax(dim=-1)[0, self._covid])
        if not math.isfinite(probability):
            name = loading.display_name(self.pulled)
            raise UserError(f"{name} gives no number: its weights are broken, publish it again")
        map_of = finer_map if self._finer_cells else activation_map
        covid_map = map_of(output.feature_map[0].cpu(), self._head, self._covid)
        gate_score = self._gate_score(pixel_values, output)
        answer = self._answer(probability, gate_score, describe_location(covid_map), warning_of(xray))
        return Explanation(answer, covid_map, pixel_values.shape[-1])

    def _gate_score(self, pixel_values: torch.Tensor, output: runtime.ForwardPass) -> float | None:
        if self._gate is None:
            return None
        return float(self._gate.score(join_features(pixel_values, output.pooled, output.moments)))

    def _answer(self, probability: float, gate_score: float | None, zone: str, warning: str) -> Answer:
        passed = None if self._gate is None or gate_score is None else bool(self._gate.passes(gate_score))
        basis = probability, self.threshold, self.quantiles, passed is not False
        return Answer(
            verdict=policy.verdict(*basis),
            label=policy.label(probability, self.threshold),
            probability=probability,
            threshold=self.threshold,
            conformal_set=None if self.quantiles is None else policy.conformal_set(probability, self.quantiles),
            gate_score=gate_score,
            gate_passed=passed,
            why=policy.why(*basis),
            where=zone if self.shows_heatmap and passed is not False else "",
            model_id=self.pulled.repo_id,
            revision=self.pulled.revision,
            disclaimer=DISCLAIMER,
            notice=self.notice,
            warning=warning,
            computed_by=self.computed_by,
        )


def _preprocessing(processor: BaseImageProcessor, precision: Precision) -> Callable[[NDArray[np.uint8]], torch.Tensor]:
    """Gray pixels, uint8 (H, W) → the network's input, float32 (1, 3, S, S)."""
    if precision == "fast":
        return FastPixelValues(processor)
    return lambda pixels: to_pixel_values([pixels], processor)


def _network(
    model: ResNetForImageClassification, processor: Any, precision: Precision, concurrency: int, finer: bool
) -> runtime.Network:
    """`processor` is one of transformers, whose sizes come from a JSON file and have no types."""
    if torch.cuda.is_available():
        return runtime.torch_network(model, "cuda", finer)
    if precision == "exact":
        return runtime.torch_network(model, "cpu", finer)
    return runtime.openvino_network(model, processor.size.shortest_edge, concurrency, finer)


def warning_of(xray: Radiograph) -> str:
    """What makes the answer doubtful: colours, or a header that contradicts the pixels; empty where nothing does."""
    return " ".join(filter(None, (colour_warning(xray), xray.warning)))


def colour_warning(xray: Radiograph) -> str:
    """The gate passes many photographs of screens; their colours give them away."""
    return COLOUR_WARNING if xray.colour_cast >= PHOTOGRAPH_THRESHOLD else ""
