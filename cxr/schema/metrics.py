"""`metrics.json`: every number that a run reports (schema version 2)."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from cxr.schema.document import Count, PerClass, PerSplit, Share, closed
from cxr.schema.gate import GateShare, GateSummary, ValidationDistribution
from cxr.schema.heatmaps import Heatmaps
from cxr.schema.report import Audit, Counts
from cxr.schema.set_summary import DatasetId, ExternalSummary, GroupSummary, MetricName, SplitSummary

SCHEMA_VERSION: Literal[2] = 2
"""Raised when a key changes its meaning or goes, not when one is added."""

Method = Literal["head", "lp_ft", "full", "frozen"]
"""How a model was trained: head on features computed once; head first, then all layers; all layers; head alone."""


@closed
class Calibration(TypedDict):
    """Fitted on validation and folded into the head: calibrated logit difference = difference / temperature + bias."""

    temperature: Annotated[float, Field(gt=0, description="1 if nothing was fitted.")]
    bias: Annotated[
        float, Field(description="Added to the logit of COVID; 0 unless the loss was weighted or the model adapted.")
    ]
    reason: Annotated[str | None, Field(description="Why nothing was fitted; null if it was.")]


@closed
class ConformalFit(TypedDict):
    """What `config.json` holds as `conformal`."""

    level: Annotated[Share, Field(description="Share of each class's images whose sets are to hold that class.")]
    quantiles: Annotated[
        PerClass[Share],
        Field(description="Quantile of each class; 1 (always in the set) with fewer than 20 validation images."),
    ]
    calibration_images: Annotated[PerClass[Count], Field(description="Validation images of each class.")]


@closed
class Conformal(ConformalFit):
    """Class-conditional split-conformal sets. A class is in an image's set if 1 − its probability ≤ its quantile."""

    promise: Annotated[bool, Field(description="Whether both classes had enough images for the level to hold.")]
    reason: Annotated[str | None, Field(description="Why it is not promised; null if it is.")]


@closed
class ModelSummary(TypedDict):
    """Architecture, initial weights and input size."""

    architecture: str
    backbone: Annotated[str | None, Field(description="Repo of the initial weights; null for random ones.")]
    backbone_revision: str | None
    random_weights: Annotated[bool, Field(description="Whether training started from random weights.")]
    frozen_backbone: bool
    input_size: Annotated[Count, Field(description="Side of the network's input in pixels.")]


@closed
class DatasetSummary(DatasetId):
    """The training dataset."""

    image_size: Annotated[Count, Field(description="Short side of its images in pixels.")]
    synthetic: Annotated[bool, Field(description="Whether every image is a phantom.")]
    counts: Annotated[
        dict[str, PerClass[PerSplit[Count]]], Field(description="Source → class → split → number of images.")
    ]
    source_only_accuracy: Annotated[
        Share, Field(description="Test accuracy of guessing each source's more frequent class in training.")
    ]


@closed
class TrainingSummary(TypedDict):
    """How the model was trained."""

    method: Annotated[
        Method,
        Field(
            description="Head on features computed once; head first, then all layers; all layers; head alone by the "
            "Trainer."
        ),
    ]
    streaming: Annotated[bool, Field(description="Whether the training split was streamed.")]
    epochs: float
    steps: int
    seconds: NotRequired[Annotated[int, Field(description="Wall time of training; earlier versions wrote it here.")]]
    processes: int
    device: str
    precision: str
    seed: int
    mirror: NotRequired[Annotated[float, Field(description="Share of training images that were mirrored, if any.")]]
    noise: NotRequired[Annotated[float, Field(description="Share of training images that got noise, if any.")]]
    box_weight: NotRequired[Annotated[float, Field(description="Weight of the loss on marked opacities, if any.")]]
    heatmap_weight: NotRequired[
        Annotated[float, Field(description="Weight of the loss on heatmaps beside marked opacities, if any.")]
    ]
    progressive_resizing: NotRequired[
        Annotated[list[str], Field(description="SIZE=EPOCHS of the stages before the final size, if any.")]
    ]
    log: Annotated[
        list[dict[str, Any]],
        Field(description="The Trainer's log; accuracy beside a training loss is that on augmented images."),
    ]


@closed
class SeedMetrics(TypedDict):
    """One value of each metric for every set."""

    validation: dict[MetricName, float | None]
    test: dict[MetricName, float | None]
    external: Annotated[dict[str, dict[MetricName, float | None]], Field(description="By the names of the sets.")]


@closed
class Seeds(TypedDict):
    """Several seeds: the metrics of each, their mean and standard deviation, and which model was published."""

    values: Annotated[dict[str, SeedMetrics], Field(description="By seed.")]
    mean: SeedMetrics
    sd: Annotated[SeedMetrics, Field(description="Standard deviation (n − 1).")]
    published: Annotated[int, Field(description="The seed of this model, chosen on validation.")]


@closed
class BeforeAdaptation(GroupSummary):
    """The model as it was before, on the images of `test`."""

    operating_threshold: Share
    coverage: Annotated[PerClass[Share | None] | None, Field(description="Of its conformal sets; null if it had none.")]
    gate: Annotated[GateShare | None, Field(description="X-rays that its gate passed; null if it had none.")]


@closed
class Adaptation(TypedDict):
    """Where a model was adapted: the dataset that `validation`, `test` and all that was chosen anew come from.

    `model`, `dataset` and `training` still describe how the weights were trained.
    """

    model_id: Annotated[str, Field(description="The model that was adapted: repo id, or the name of a folder.")]
    revision: Annotated[str, Field(description='Its commit on the Hub, or "local".')]
    name: Annotated[str, Field(description="What the dataset is called in the card.")]
    dataset: DatasetId
    synthetic: Annotated[bool, Field(description="Whether every image of it is a phantom.")]
    counts: Annotated[Counts, Field(description="Source → class → split → images of it.")]
    audit: Annotated[Audit | None, Field(description="Of this dataset; null if it was not audited.")]
    shared_with_training: Annotated[str, Field(description="What its validation split shares with the training data.")]
    temperature: Annotated[float, Field(gt=0, description="Fitted here, and folded into the head after earlier ones.")]
    bias: Annotated[float, Field(description="Fitted here, and added to the logit of COVID.")]
    before: BeforeAdaptation


@closed
class Metrics(TypedDict):
    """Every number that a run reports. Shares and metrics lie in 0…1.

    Everything that is chosen is chosen on validation; test and external sets are scored once, by the saved, calibrated
    and reloaded model. Intervals are 95 % intervals from a bootstrap over patients: on the logit scale, widened by
    Student's t with the degrees of freedom that the patients' own contributions leave. Those of predictive values are
    combined from those of sensitivity and specificity; that of the ECE inverts a bootstrap test, because resampling
    raises an ECE.
    """

    schema_version: Annotated[Literal[2], Field(description="Version of this layout.")]
    operating_threshold: Annotated[
        Share,
        Field(
            description="An image is classified as COVID from this calibrated probability on: the highest threshold "
            "at which validation reaches the target sensitivity."
        ),
    ]
    target_sensitivity: Annotated[Share, Field(description="The sensitivity that validation had to reach.")]
    conformal: Annotated[Conformal, Field(description="Class-conditional split-conformal sets.")]
    validation: SplitSummary
    test: SplitSummary
    external: Annotated[dict[str, ExternalSummary], Field(description="External sets, by the names of the run.")]
    calibration: Annotated[Calibration, Field(description="Fitted on validation and folded into the head.")]
    seeds: Annotated[Seeds | None, Field(description="Several seeds; null for a single one.")]
    gate: Annotated[GateSummary, Field(description="The out-of-distribution gate.")]
    heatmaps: NotRequired[
        Annotated[Heatmaps, Field(description="Missing where no set of patients has marked opacities.")]
    ]
    validation_distribution: NotRequired[
        Annotated[
            ValidationDistribution,
            Field(description="What serving compares many images with; missing in models of earlier versions."),
        ]
    ]
    adaptation: NotRequired[
        Annotated[Adaptation, Field(description="Missing unless the model was adapted to another dataset.")]
    ]
    model: ModelSummary
    dataset: DatasetSummary
    training: TrainingSummary
    environment: Annotated[dict[str, str], Field(description="Versions of Python and of packages.")]
    judgement: Annotated[
        str,
        Field(description="What all numbers together say about what the model has learned: one sentence, by rules."),
    ]
