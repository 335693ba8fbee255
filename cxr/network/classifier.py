"""Any image classifier that transformers loads, read as COVID against the rest.

Nothing in a model's folder is run: weights come from safetensors alone, and code that a repo ships is never loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import logsumexp
from transformers import AutoConfig, AutoModelForImageClassification, BaseImageProcessor, PreTrainedModel

from cxr.errors import UserError, one_line
from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.schema.labels import COVID, LABELS

Interpretation = Literal["one of several classes", "independent labels"]
"""Softmax over all outputs, or a sigmoid of each."""

Images = Sequence[Image.Image | NDArray[np.uint8]]

_PROBE_SIDE = 256


@dataclass(frozen=True)
class Reading:
    """How logits become a probability of COVID: the rows that mean COVID, and what the logits are."""

    positive: tuple[int, ...] = (COVID,)
    interpretation: Interpretation = "one of several classes"

    def margin(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Log odds of COVID, float64 (N,), from logits (N, K).

        Of several classes, the odds of those that mean COVID against all others; with two, the difference of the
        logits. Of independent labels, those of the likeliest label that means COVID.
        """
        logits = np.asarray(logits, dtype=np.float64)
        positive = logits[:, list(self.positive)]
        if self.interpretation == "independent labels":
            return positive.max(axis=1)
        rest = np.delete(logits, list(self.positive), axis=1)
        if positive.shape[1] == rest.shape[1] == 1:
            return positive[:, 0] - rest[:, 0]
        return logsumexp(positive, axis=1) - logsumexp(rest, axis=1)


@dataclass(frozen=True)
class Classifier:
    """A network in float32 with its processor, and how its logits are read.

    `channels` are those of the processor's output: 1 for a processor of gray images.
    """

    model: PreTrainedModel
    processor: BaseImageProcessor
    reading: Reading
    channels: int = 3

    def pixel_values(self, images: Images) -> torch.Tensor:
        """The network's input, float32 (N, C, H, W), of 8-bit gray images (H, W)."""
        values = to_pixel_values(images, self.processor, self.channels)
        wanted = network_channels(self.model.config)
        if values.shape[1] == wanted:
            return values
        return values.mean(dim=1, keepdim=True).expand(-1, wanted, -1, -1)


def load_own(folder: Path) -> Classifier:
    """A model that `train_hf.py` saved, whose classes are those of `LABELS` in their order."""
    return Classifier(load_network(folder, folder.name), load_processor(folder), Reading())


def load_any(folder: Path, name: str, positive: Sequence[str]) -> Classifier:
    """Any classifier; `name` is what messages call it, `positive` are the labels that mean COVID, empty for ours.

    Raises:
        UserError: if its files cannot be read, need code of the repo, or give no logits for a radiograph, or if a
            label is none of its own.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        reading = find_reading(config, name, positive)
        model, processor = load_network(folder, name), load_processor(folder)
    except UserError:
        raise
    except Exception as error:  # whatever transformers and the packages below it raise for files of other people
        raise UserError(f"{name} cannot be loaded as an image classifier: {one_line(error)[:300]}") from error
    return _tried(model, processor, reading, name)


def load_network(folder: Path, name: str) -> Any:
    """A model in float32 with every weight from its file: `from_pretrained` fills gaps with random numbers.

    Raises:
        UserError: if the file lacks weights.
    """
    model, info = AutoModelForImageClassification.from_pretrained(
        folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(f"{name} lacks {len(missing)} weights ({missing[0]}, …): publish it again")
    return model.eval()


def labels_of(config: Any) -> list[str]:
    """The labels of a model's outputs, in the order of its logits."""
    id2label: Mapping[int, str] = config.id2label or {}
    return [str(id2label[index]) for index in sorted(id2label)]


def find_reading(config: Any, name: str, positive: Sequence[str]) -> Reading:
    """How a model's logits are read; see `load_any`.

    Raises:
        UserError: if a label is none of the model's, or all of them are.
    """
    labels = labels_of(config)
    listed = ", ".join(labels[:12]) + (f", … ({len(labels)} in all)" if len(labels) > 12 else "")
    if not positive and sorted(labels) == sorted(LABELS):
        positive = [LABELS[COVID]]
    if not positive:
        raise UserError(f"{name} answers with {listed}: name the labels that mean COVID with --positive NAME[,NAME]")
    unknown = [label for label in positive if label not in labels]
    if unknown:
        raise UserError(f"--positive {unknown[0]}: no label of {name}, which answers with {listed}")
    rows = tuple(index for index, label in enumerate(labels) if label in positive)
    independent = getattr(config, "problem_type", None) == "multi_label_classification" or len(labels) == 1
    if not independent and len(rows) == len(labels):
        raise UserError(f"--positive names every label of {name} ({listed}): leave out those that mean no COVID")
    return Reading(rows, "independent labels" if independent else "one of several classes")


def network_channels(config: Any) -> int:
    """The number of channels of a network's input."""
    return int(getattr(config, "num_channels", None) or 3)


@torch.inference_mode()
def _tried(model: PreTrainedModel, processor: BaseImageProcessor, reading: Reading, name: str) -> Classifier:
    """The classifier after it answered for one blank image: with the network's channels, or those of its processor."""
    own, means = network_channels(model.config), getattr(processor, "image_mean", None)
    other = len(means) if isinstance(means, Sequence) else own
    blank, failures = np.zeros((_PROBE_SIDE, _PROBE_SIDE + 1), np.uint8), []
    for channels in dict.fromkeys((own, other)):
        classifier = Classifier(model, processor, reading, channels)
        try:
            logits = model(pixel_values=classifier.pixel_values([blank])).logits
        except Exception as error:
            failures.append(one_line(error)[:300])
            continue
        expected = (1, len(labels_of(model.config)))
        if tuple(logits.shape) != expected:
            raise UserError(f"{name} gives logits of shape {tuple(logits.shape)}, not {expected}: is it a classifier?")
        return classifier
    raise UserError(f"{name} cannot answer for a gray image: {failures[0]}")


Forward = Callable[[torch.Tensor], torch.Tensor]
"""The network's input (N, C, H, W) → logits (N, K)."""
