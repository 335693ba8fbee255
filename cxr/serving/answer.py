"""The answer about one image, as the page, the API, MCP and the terminal all give it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr import policy
from cxr.errors import UnreadableImage, UserError, one_line
from cxr.network.activation_map import net_evidence, resample_to_image
from cxr.schema.answer import AnswerFields

Value = str | float | bool | None
"""What a table's cell can hold."""


class Answer(AnswerFields):
    """One verdict with its numbers and notices; `model_dump()` gives the JSON of docs/answer.schema.json."""

    @property
    def sentence(self) -> str:
        """Verdict, probability, threshold and reason on one line."""
        parts = (f"{self.verdict}: {self.numbers}.", self.why, self.zone_sentence)
        return " ".join(part for part in parts if part)

    @property
    def zone_sentence(self) -> str:
        """Where the evidence for COVID is strongest, as a sentence; empty where no zone is named."""
        return f"Evidence for COVID-19 is strongest in: {self.where}." if self.where else ""

    @property
    def numbers(self) -> str:
        """Probability and threshold in words."""
        return policy.numbers(self.probability, self.threshold)

    def to_row(self) -> dict[str, Value]:
        """The fields as one value per column; the classes of the conformal set are joined by spaces."""
        classes = self.conformal_set
        return self.model_dump() | {"conformal_set": None if classes is None else " ".join(classes)}


@dataclass(frozen=True)
class Explanation:
    """An answer and its class activation map, float32 (h, w); `input_size` is the side that the network sees."""

    answer: Answer
    activation_map: NDArray[np.float32]
    input_size: int

    def map_over_image(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """The map for an image of `size` (width, height): float32 (height, width), NaN outside the network's crop."""
        return resample_to_image(self.activation_map, size, self.input_size)

    def net_evidence_over_image(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """The positive evidence that the answer rests on, in the same form: what is drawn."""
        net = net_evidence(self.activation_map, self.answer.probability)
        return resample_to_image(net, size, self.input_size)


COLUMNS = ("file", *Answer.model_fields, "heatmap", "error")
"""Columns of the CSV tables of the page and of `predict.py`."""


@dataclass(frozen=True)
class FileAnswer:
    """One of several files: its name with an answer, or with the error that prevented one.

    `heatmap` is the path of the image that `predict.py --heatmaps` wrote.
    """

    file: str
    answer: Answer | None = None
    error: str = ""
    heatmap: str = ""

    @classmethod
    def failed(cls, file: str, error: UserError) -> "FileAnswer":
        """A file without an answer."""
        if isinstance(error, UnreadableImage):
            return cls(file, error=f"the file {error.reason}")
        return cls(file, error=one_line(error))

    def to_dict(self) -> dict[str, Value | list[str]]:
        """The answer's fields with the file's name, or the name with the error."""
        return self._with(self.answer.model_dump() if self.answer else {"error": self.error})

    def to_row(self) -> dict[str, Value]:
        """The same with one value per column."""
        return self._with(self.answer.to_row() if self.answer else {"error": self.error})

    def _with(self, fields: dict[str, Any]) -> dict[str, Any]:
        heatmap = {"heatmap": self.heatmap} if self.heatmap else {}
        return {"file": self.file, **fields, **heatmap}

    @property
    def sentence(self) -> str:
        """One line for a reader: verdict, numbers, reason, warning, model, revision and disclaimer."""
        answer = self.answer
        if answer is None:
            return f"{self.file}: no answer: {self.error}"
        model = f"Model {answer.model_id}@{answer.revision[:7]}."
        parts = (answer.sentence, answer.warning, model, answer.disclaimer, answer.notice)
        return f"{self.file}: {' '.join(part for part in parts if part)}"
