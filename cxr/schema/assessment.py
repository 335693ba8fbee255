"""`assessment.json`: what `assess.py` measured of one or two models on prepared datasets (schema version 1)."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from cxr.schema.dataset import Split
from cxr.schema.document import Count, Share, closed
from cxr.schema.gate import GateShare
from cxr.schema.heatmaps import HeatmapSummary
from cxr.schema.metrics import ConformalFit
from cxr.schema.report import ProbeResult
from cxr.schema.set_summary import ConformalCoverage, DatasetId, MetricName, SetSummary
from cxr.schema.verdicts import Verdict

SCHEMA_VERSION: Literal[1] = 1
"""Raised when a key changes its meaning or goes, not when one is added."""

Ends = Annotated[list[float], Field(min_length=2, max_length=2)]


@closed
class AssessedModel(TypedDict):
    """Which model it is, and how its outputs were read."""

    model_id: Annotated[str, Field(description="Repo id on the Hub, or the name of a folder.")]
    revision: Annotated[str, Field(description='Commit on the Hub, or "local" for a folder.')]
    architecture: str
    labels: Annotated[list[str], Field(min_length=1, description="Its labels, in the order of its logits.")]
    positive: Annotated[list[str], Field(min_length=1, description="Those that were read as COVID.")]
    interpretation: Annotated[
        Literal["one of several classes", "independent labels"],
        Field(description="Softmax over all labels, positive ones against the rest; or a sigmoid of each label."),
    ]
    operating_threshold: Annotated[Share, Field(description="An image is classified as COVID from it on.")]
    threshold_origin: Annotated[
        Literal["config.json", "default"], Field(description="Where the threshold comes from; the default is 0.5.")
    ]
    conformal: Annotated[ConformalFit | None, Field(description="Conformal quantiles of its config.json, if any.")]
    has_gate: Annotated[bool, Field(description="Whether it has an out-of-distribution gate.")]
    runtime: Annotated[str, Field(description="What computed the logits, and on which device.")]


@closed
class TrainingOverlap(TypedDict):
    """Whether the images share anything with those that the model was trained on."""

    known: Annotated[
        bool, Field(description="Whether its repo has fingerprints of all its training data to compare with.")
    ]
    statement: Annotated[str, Field(description="The result, or why it cannot be known.")]


@closed
class ModelResult(SetSummary):
    """A model on one dataset."""

    conformal: Annotated[
        ConformalCoverage | None, Field(description="How its conformal sets perform; null for a model without them.")
    ]
    verdicts: Annotated[
        dict[Verdict, Share], Field(description="Share of images with each verdict, the gate left aside.")
    ]
    gate: Annotated[GateShare | None, Field(description="X-rays that its gate passed; null for a model without one.")]
    heatmaps: Annotated[
        HeatmapSummary | None,
        Field(
            description="Where its class activation maps point; null where no patient has marked opacities, and for a "
            "model that is no ResNet of this project's two labels."
        ),
    ]
    training_overlap: TrainingOverlap
    notes: Annotated[list[str], Field(description="What limits the meaning of these numbers.")]
    judgement: Annotated[str, Field(description="What the numbers together say: one sentence, by rules.")]


@closed
class Difference(TypedDict):
    """A metric of the first model minus that of the second, on the same images."""

    estimate: Annotated[float | None, Field(ge=-1, le=1, description="Null where the metric is undefined.")]
    interval: Annotated[
        Ends | None,
        Field(description="95 % interval from a paired bootstrap over patients; null for the ECE or too few patients."),
    ]


@closed
class DeLong(TypedDict):
    """DeLong's test of the difference in AUROC (Sun and Xu 2014)."""

    estimate: float
    interval: Ends
    p_value: Annotated[Share | None, Field(description="Two-sided; null where the variance is 0.")]


@closed
class Comparison(TypedDict):
    """Two models on the same images."""

    differences: Annotated[dict[MetricName, Difference], Field(description="By metric, first model minus second.")]
    delong: Annotated[DeLong | None, Field(description="Null unless every patient has one image and both classes.")]


@closed
class AssessedDataset(TypedDict):
    """A dataset, what is known of it, and how each model performs on it."""

    dataset: DatasetId
    synthetic: Annotated[bool, Field(description="Whether every image is a phantom.")]
    probes: Annotated[
        list[ProbeResult] | None,
        Field(description="The probes of the dataset's audit, scored on its test split; null if it was not audited."),
    ]
    results: Annotated[list[ModelResult], Field(min_length=1, max_length=2, description="In the order of `models`.")]
    comparison: Annotated[Comparison | None, Field(description="Null for a single model.")]


@closed
class Assessment(TypedDict):
    """Every number of an assessment. Shares and metrics lie in 0…1.

    Intervals are 95 % intervals from a bootstrap over patients, as in metrics.json. Nothing is chosen on these images.
    """

    schema_version: Annotated[Literal[1], Field(description="Version of this layout.")]
    split: Annotated[Split, Field(description="The split of each dataset that was scored.")]
    models: Annotated[list[AssessedModel], Field(min_length=1, max_length=2)]
    datasets: Annotated[dict[str, AssessedDataset], Field(min_length=1, description="By the names given to them.")]
    images_used: Annotated[Count, Field(description="Images scored, over all datasets.")]
    disclaimer: Annotated[str, Field(description="That this is no diagnosis.")]
    environment: Annotated[dict[str, str], Field(description="Versions of Python and of packages.")]
