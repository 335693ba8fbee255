"""The answer about one radiograph, as the API, MCP and `predict.py --json` give it (schema version 1)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from cxr.schema.document import Share
from cxr.schema.labels import Label
from cxr.schema.verdicts import Verdict

SCHEMA_VERSION: Literal[1] = 1
"""Raised when a field changes its meaning or goes, not when one is added."""

Text = Annotated[str, Field(min_length=1)]


class AnswerFields(BaseModel):
    """One verdict with everything that must be said beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    verdict: Verdict
    """One of four. The gate refuses; uncertain means that the conformal set holds both classes, or contradicts the
    operating threshold."""
    label: Label
    """The class on the probability's side of the threshold."""
    probability: Share
    """Calibrated probability of COVID."""
    threshold: Share
    """Operating threshold on that probability, set on validation; at or above it the label is COVID."""
    conformal_set: Annotated[list[Label], Field(max_length=2)] | None
    """Classes that cannot be excluded at the model's conformal level; null for a model without quantiles."""
    gate_score: float | None
    """Log-odds of being an X-ray like those that the model learned from; null for a model without a gate."""
    gate_passed: bool | None
    """Whether the gate passed the image; null for a model without a gate."""
    why: str
    """Why the verdict is not a class; else empty."""
    where: str
    """Zone with the strongest evidence for COVID, such as "right lower zone"; empty if the gate refused, and for a
    model whose heatmaps were not measured on patients, or not found better than chance there."""
    model_id: Text
    """Repo id of the model, or the name of its folder."""
    revision: Text
    """Commit of the model repo, or "local" for a folder."""
    disclaimer: Text
    """That the answer is no diagnosis."""
    notice: str
    """What must be known about the origin of the model; else empty."""
    warning: str
    """What makes the image doubtful, such as the colours of a photographed screen; else empty."""
    computed_by: Text
    """Runtime, precision and device, such as "OpenVINO bf16 on cpu"."""
    schema_version: Literal[1] = SCHEMA_VERSION
    """Version of this layout."""


class AnswerJson(AnswerFields):
    """What /predict and /explain of the API, the MCP tools of the same names and each line of predict.py --json return.

    `schema_version` is raised when a field changes its meaning or is removed; fields may be added under the same
    version. A line of predict.py about a file without an answer holds `file` and `error` alone. Research software, not
    a medical device.
    """

    heatmap: str | SkipJsonSchema[None] = None
    """/explain: the class activation map as a base64 PNG (RGBA) to stretch over the image. predict.py --heatmaps: the
    file that it was drawn to."""
    heatmap_note: str | SkipJsonSchema[None] = None
    """/explain: how often the model's heatmaps were right on patients, or why they are not to be relied on."""
    file: str | SkipJsonSchema[None] = None
    """predict.py only: the file that this is the answer about."""
