"""What every door says about one picture."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from cxr import policy
from cxr.activation_map import resample_to_image

SCHEMA_VERSION = 1
"""Of docs/answer.schema.json: raised when a field changes its meaning or goes, not when one is added."""


@dataclass(frozen=True)
class Answer:
    """One verdict with everything that must be said beside it; JSON-safe, as docs/answer.schema.json says.

    `probability` is that of COVID, `label` the class on its side of `threshold`. `conformal_set` holds the classes that
    cannot be excluded, and is None for a model that carries no quantiles; `gate_score` (log-odds of being an X-ray like
    those it learned from) and `gate_passed` are None for a model without a gate. `why` says why the verdict is no
    class; `where` in which zone the evidence for COVID is strongest, and is empty where the gate refused. `warning`
    says what makes the picture itself doubtful, `notice` what is to be known of the model.
    """

    verdict: str
    label: str
    probability: float
    threshold: float
    conformal_set: list[str] | None
    gate_score: float | None
    gate_passed: bool | None
    why: str
    where: str
    model_id: str
    revision: str
    disclaimer: str
    notice: str = ""
    warning: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def sentence(self) -> str:
        """Verdict, probability and threshold in one line, then why it is no class, or where the evidence lies."""
        return f"{self.verdict}: {self.numbers}. {self.reason}".rstrip()

    @property
    def reason(self) -> str:
        """Why the verdict is no class, and where the evidence for COVID lies."""
        return " ".join(said for said in (self.why, self.evidence) if said)

    @property
    def evidence(self) -> str:
        """Where the evidence for COVID lies, in a sentence; empty where the gate refused."""
        return f"Evidence for COVID-19 is strongest in: {self.where}." if self.where else ""

    @property
    def numbers(self) -> str:
        """Probability and threshold in words."""
        return policy.numbers(self.probability, self.threshold)

    @property
    def short_revision(self) -> str:
        """The revision as people quote it: the first seven digits of a commit."""
        return self.revision[:7]

    def to_dict(self) -> dict[str, str | float | bool | list[str] | None]:
        """The JSON that every door returns."""
        return asdict(self)

    def to_row(self) -> Mapping[str, str | float | bool | None]:
        """The same for a table: one value a column, the classes of a set joined by spaces."""
        classes = self.conformal_set
        return self.to_dict() | {"conformal_set": None if classes is None else " ".join(classes)}


@dataclass(frozen=True)
class Explanation:
    """An answer and the class activation map behind it, float32 (h, w); `input_size` is the side the network sees."""

    answer: Answer
    evidence: np.ndarray
    input_size: int

    def laid(self, size: tuple[int, int]) -> np.ndarray:
        """The map over the picture at `size` (width, height): float32 (height, width), NaN where nothing was seen."""
        return resample_to_image(self.evidence, size, self.input_size)
