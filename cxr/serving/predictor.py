"""The one that answers: the page, the API and the terminal all ask this predictor."""

import math

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedModel
from transformers.utils import logging

from cxr import policy
from cxr.activation_map import activation_map, where
from cxr.cli import UserError, one_line
from cxr.hub import Pulled, pull_or_last
from cxr.labels import DISCLAIMER
from cxr.preprocess import load_processor, to_pixel_values
from cxr.radiograph import Radiograph, UnreadableImage
from cxr.serving import loading
from cxr.serving.answer import Answer, Explanation

_BROKEN_MODEL = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


class Predictor:
    """A published model, ready to answer: fp32, on CUDA where there is one."""

    def __init__(self, pulled: Pulled, model: PreTrainedModel):
        self.pulled = pulled
        self.headline = loading.headline(pulled.folder)
        self.threshold = loading.threshold(model.config, pulled)
        self.quantiles = loading.quantiles(model.config, pulled)
        self.notice = loading.notice(model.config, pulled)
        self._gate = loading.gate(model.config, pulled)
        self._covid = loading.covid_index(model.config, pulled)
        self._processor = load_processor(pulled.folder)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.to(self._device)

    @classmethod
    def load(cls, model: str, revision: str | None = None) -> "Predictor":
        """Pull a model repo (or take a folder) and make it answer.

        Args:
            model: repo id or folder.
            revision: branch, tag or commit; the repo's newest without it.

        Raises:
            UserError: if it cannot be had, is no COVID classifier of this project's two classes, or is damaged.
        """
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        pulled = pull_or_last(model, revision)
        try:
            loading.covid_index(AutoConfig.from_pretrained(pulled.folder, trust_remote_code=False), pulled)
            return cls(pulled, loading.weights(pulled))
        except _BROKEN_MODEL as error:
            raise UserError(f"{loading.name(pulled)} cannot be loaded, publish it again: {one_line(error)}") from error

    def predict(self, radiograph: Radiograph) -> Answer:
        """Answer for one radiograph of any size; the processor alone decides how it is resized.

        Raises:
            UnreadableImage: if it is a DICOM that says it is no X-ray, or no frontal one.
            UserError: if the weights are broken.
        """
        return self.explain(radiograph).answer

    @torch.inference_mode()
    def explain(self, radiograph: Radiograph) -> Explanation:
        """The same answer with the map behind it; probability, gate and map come from one forward pass."""
        if radiograph.header and radiograph.header.refusal:
            raise UnreadableImage(radiograph.header.refusal)
        pixel_values = to_pixel_values([radiograph.pixels], self._processor).to(self._device)
        given = self._model(pixel_values, output_hidden_states=True)
        probability = float(given.logits.softmax(dim=-1)[0, self._covid])
        if not math.isfinite(probability):
            broken = "gives no number: its weights are broken, publish it again"
            raise UserError(f"{loading.name(self.pulled)} {broken}")
        score = float(self._gate.score(pixel_values, given.hidden_states)) if self._gate else None
        evidence = activation_map(given.hidden_states[-1][0], self._model.classifier[1].weight, self._covid)
        answer = self._answer(probability, score, where(evidence))
        return Explanation(answer, evidence, pixel_values.shape[-1])

    def _answer(self, probability: float, score: float | None, place: str) -> Answer:
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
        )
