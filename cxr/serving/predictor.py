"""The one that answers: the page, the API and the terminal all ask this predictor."""

import math
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedModel
from transformers.utils import logging

from cxr import policy
from cxr.activation_map import activation_map, describe_location
from cxr.errors import UnreadableImage, UserError, one_line
from cxr.gate.gate import join_features
from cxr.hub import Pulled, pull_or_last
from cxr.imaging import reader
from cxr.imaging.preprocess import FastPixelValues, load_processor, processor_short_side, to_pixel_values
from cxr.imaging.reader import Radiograph
from cxr.schema.verdicts import DISCLAIMER
from cxr.serving import colour, loading, runtime
from cxr.serving.answer import Answer, Explanation

_BROKEN_MODEL = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)
_FINENESS = 2
"""Pixels decoded for each one the network sees, along a side: finer costs time and changes nothing."""


class Predictor:
    """A published model, ready to answer: on CUDA where there is one.

    `exact` answers take float32 and full decoding, and are what `transformers.pipeline` gives; otherwise a CPU answers
    in the fastest way whose probabilities are the same to the second digit. Callers that ask `at_once` from several
    threads get more answers a second.
    """

    def __init__(self, pulled: Pulled, model: PreTrainedModel, exact: bool = False, at_once: int = 1):
        self.pulled = pulled
        self.headline = loading.headline(pulled.folder)
        self.threshold = loading.threshold(model.config, pulled)
        self.quantiles = loading.quantiles(model.config, pulled)
        self.notice = loading.notice(model.config, pulled)
        self._gate = loading.gate(model.config, pulled)
        self._covid = loading.covid_index(model.config, pulled)
        self._processor = load_processor(pulled.folder)
        self._head = model.classifier[1].weight.detach().float().cpu()
        short = processor_short_side(self._processor)
        self._at_least = None if exact or short is None else _FINENESS * short
        self.at_once = at_once
        self._input = self._exact_input if self._at_least is None else FastPixelValues(self._processor)
        self._network = self._runtime(model, self._at_least is None)

    def _exact_input(self, pixels: np.ndarray) -> torch.Tensor:
        return to_pixel_values([pixels], self._processor)

    def _runtime(self, model: PreTrainedModel, exact: bool) -> runtime.Network:
        if exact or torch.cuda.is_available():
            return runtime.exact(model.to("cuda" if torch.cuda.is_available() else "cpu"))
        return runtime.fast(model, self._processor.size.shortest_edge, self.at_once)

    @classmethod
    def load(cls, model: str, revision: str | None = None, exact: bool = False, at_once: int = 1) -> "Predictor":
        """Pull a model repo (or take a folder) and make it answer.

        Args:
            model: repo id or folder.
            revision: branch, tag or commit; the repo's newest without it.
            exact: see the class.
            at_once: see the class.

        Raises:
            UserError: if it cannot be had, is no COVID classifier of this project's two classes, or is damaged.
        """
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        pulled = pull_or_last(model, revision)
        try:
            loading.covid_index(AutoConfig.from_pretrained(pulled.folder, trust_remote_code=False), pulled)
            return cls(pulled, loading.weights(pulled), exact, at_once)
        except _BROKEN_MODEL as error:
            raise UserError(f"{loading.name(pulled)} cannot be loaded, publish it again: {one_line(error)}") from error

    def read(self, source: bytes | Path) -> Radiograph:
        """Decode a picture as finely as its answer needs; every door reads with this, so that all answer alike.

        Raises:
            UnreadableImage: if it is missing, empty, damaged, animated, too large or no image at all.
        """
        return reader.read_radiograph(source, min_short_side=self._at_least)

    def predict(self, xray: Radiograph) -> Answer:
        """Answer for one radiograph of any size; the processor alone decides how it is resized.

        Raises:
            UnreadableImage: if it is a DICOM that says it is no X-ray, or no frontal one, or far too elongated.
            UserError: if the weights are broken.
        """
        return self.explain(xray).answer

    @torch.inference_mode()
    def explain(self, xray: Radiograph) -> Explanation:
        """The same answer with the map behind it; probability, gate and map come from one forward pass."""
        if xray.header and xray.header.refusal:
            raise UnreadableImage(xray.header.refusal)
        pixel_values = self._input(xray.pixels)
        given = self._network(pixel_values)
        probability = float(given.logits.softmax(dim=-1)[0, self._covid])
        if not math.isfinite(probability):
            broken = "gives no number: its weights are broken, publish it again"
            raise UserError(f"{loading.name(self.pulled)} {broken}")
        evidence = activation_map(given.last[0].cpu(), self._head, self._covid)
        answer = self._answer(
            probability, self._gate_score(pixel_values, given), describe_location(evidence), colour.warning(xray)
        )
        return Explanation(answer, evidence, pixel_values.shape[-1])

    def _gate_score(self, pixel_values: torch.Tensor, given: runtime.Pass) -> float | None:
        if self._gate is None:
            return None
        found = join_features(pixel_values, given.pooled, given.moments)
        return float(self._gate.score_features(found))

    def _answer(self, probability: float, score: float | None, place: str, warning: str) -> Answer:
        passed = None if score is None else self._gate.passes(score)
        asked = probability, self.threshold, self.quantiles, passed is not False
        return Answer(
            verdict=policy.verdict(*asked),
            label=policy.label(probability, self.threshold),
            probability=probability,
            threshold=self.threshold,
            conformal_set=None if self.quantiles is None else policy.conformal_set(probability, self.quantiles),
            gate_score=score,
            gate_passed=passed,
            why=policy.why(*asked),
            where="" if passed is False else place,
            model_id=self.pulled.repo_id,
            revision=self.pulled.revision,
            disclaimer=DISCLAIMER,
            notice=self.notice,
            warning=warning,
        )
