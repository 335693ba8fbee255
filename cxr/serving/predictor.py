"""The one that answers: the page, the API and the terminal all ask this predictor."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageClassification, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from cxr import policy
from cxr.cli import UserError, one_line
from cxr.hub import Pulled, pull_or_last
from cxr.labels import COVID, DISCLAIMER, LABELS
from cxr.preprocess import load_processor, to_pixel_values
from cxr.radiograph import Radiograph, UnreadableImage

SYNTHETIC = "Trained on synthetic pictures drawn by a program: its answers on real X-rays mean nothing."
RANDOM_WEIGHTS = "Trained from random weights, not from a pretrained backbone."
OUTAGE = "The Hub could not be reached: this is the last revision pulled from it, which may not be the newest."
_BROKEN_MODEL = (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class Answer:
    """One verdict with everything that must be said beside it; `probability` is that of COVID."""

    verdict: str
    label: str
    probability: float
    threshold: float
    model_id: str
    revision: str
    disclaimer: str
    notice: str = ""

    @property
    def sentence(self) -> str:
        """Verdict, probability and threshold in one line."""
        return policy.sentence(self.probability, self.threshold)

    @property
    def numbers(self) -> str:
        """Probability and threshold in words."""
        return policy.numbers(self.probability, self.threshold)

    @property
    def short_revision(self) -> str:
        """The revision as people quote it: the first seven digits of a commit."""
        return self.revision[:7]

    def to_dict(self) -> dict[str, str | float]:
        """The JSON that every door returns."""
        return asdict(self)


class Predictor:
    """A published model, ready to answer: fp32, on CUDA where there is one."""

    def __init__(self, pulled: Pulled, model: PreTrainedModel, headline: str):
        self.pulled = pulled
        self.headline = headline
        self.threshold = _threshold(model.config, pulled)
        self.notice = _notice(model.config, pulled)
        self._covid = _covid_index(model.config, pulled)
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
            config = AutoConfig.from_pretrained(pulled.folder, trust_remote_code=False)
            _covid_index(config, pulled)
            return cls(pulled, _weights(pulled), _headline(pulled.folder))
        except _BROKEN_MODEL as error:
            raise UserError(f"{_name(pulled)} cannot be loaded, publish it again: {one_line(error)}") from error

    @torch.inference_mode()
    def predict(self, radiograph: Radiograph) -> Answer:
        """Answer for one radiograph of any size; the processor alone decides how it is resized.

        Raises:
            UnreadableImage: if it is a DICOM that says it is no X-ray, or no frontal one.
            UserError: if the weights are broken.
        """
        if radiograph.header and radiograph.header.refusal:
            raise UnreadableImage(radiograph.header.refusal)
        pixel_values = to_pixel_values([radiograph.pixels], self._processor).to(self._device)
        probability = float(self._model(pixel_values).logits.softmax(dim=-1)[0, self._covid])
        if not math.isfinite(probability):
            raise UserError(f"{_name(self.pulled)} gives no number: its weights are broken, publish it again")
        return Answer(
            policy.verdict(probability, self.threshold),
            policy.label(probability, self.threshold),
            probability,
            self.threshold,
            self.pulled.repo_id,
            self.pulled.revision,
            DISCLAIMER,
            self.notice,
        )


def _name(pulled: Pulled) -> str:
    return f"{pulled.repo_id}@{pulled.revision[:7]}"


def _weights(pulled: Pulled) -> PreTrainedModel:
    """The model with every weight from the file: `from_pretrained` would fill a gap with random numbers."""
    model, info = AutoModelForImageClassification.from_pretrained(
        pulled.folder,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(f"{_name(pulled)} lacks {len(missing)} weights ({missing[0]}, …): publish it again")
    return model.eval()


def _covid_index(config: PreTrainedConfig, pulled: Pulled) -> int:
    names = [config.id2label[index] for index in sorted(config.id2label)]
    if sorted(names) == sorted(LABELS):
        return names.index(LABELS[COVID])
    seen = ", ".join(map(str, names[:3])) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
    raise UserError(
        f"{_name(pulled)} answers with {seen}, not with {' and '.join(LABELS)}: name a model that train_hf.py made"
    )


def _threshold(config: PreTrainedConfig, pulled: Pulled) -> float:
    value = getattr(config, "operating_threshold", policy.DEFAULT_THRESHOLD)
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise UserError(f"{_name(pulled)}: operating_threshold in config.json is {value!r}, not a number from 0 to 1")


def _notice(config: PreTrainedConfig, pulled: Pulled) -> str:
    """What a reader must know about where this model comes from; empty for the newest one trained on patients."""
    said = {"synthetic_data": SYNTHETIC, "random_weights": RANDOM_WEIGHTS}
    stale = [OUTAGE] if pulled.outage else []
    return " ".join(stale + [text for key, text in said.items() if getattr(config, key, False)])


def _headline(folder: Path) -> str:
    """The AUROC of the model's own test split, from the metrics.json beside the weights; empty without one."""
    try:
        auroc = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]["auroc"]
        return f"AUROC {auroc:.2f} on the test split of its own data"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
