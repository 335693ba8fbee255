"""What `metrics.json` and `assessment.json` report of a set of images: metrics, intervals, subgroups, coverage."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from cxr.schema.document import Count, Interval, PerClass, Share, closed
from cxr.schema.verdicts import Verdict

MetricName = Literal[
    "auroc", "auprc", "accuracy", "balanced_accuracy", "sensitivity", "specificity", "f1", "brier", "ece"
]

METRIC_NAMES: Mapping[MetricName, str] = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "f1": "F1 (COVID)",
    "brier": "Brier score",
    "ece": "ECE (15 bins)",
}
"""Key and name of each metric, in the order in which they are reported."""

Subdivision = Literal["source", "view", "sex", "age"]
"""What subgroups are made by."""


@closed
class Intervals(TypedDict):
    """The 95 % interval of each metric: lower and upper end, or null where there are too few patients.

    At least two patients are needed in each class that the metric depends on.
    """

    auroc: Interval
    auprc: Interval
    accuracy: Interval
    balanced_accuracy: Interval
    sensitivity: Interval
    specificity: Interval
    f1: Interval
    brier: Interval
    ece: Interval


@closed
class GroupSize(TypedDict):
    """The size of a set of images."""

    n: Annotated[Count, Field(description="Images.")]
    n_covid: Annotated[Count, Field(description="Images labelled COVID.")]
    patients: Annotated[
        Count,
        Field(description="Distinct patients, by source and patient id; an image without an id is its own patient."),
    ]


@closed
class MetricValues(TypedDict):
    """The metrics of a set of images at the operating threshold."""

    auroc: Annotated[
        Share | None,
        Field(
            description="Area under the ROC curve, ranked by the float64 difference of the logits; null unless both "
            "classes are present."
        ),
    ]
    auprc: Annotated[
        Share | None,
        Field(
            description="Average precision. Chance level is the share of COVID, so compare only sets of the same share."
        ),
    ]
    accuracy: Annotated[
        Share | None, Field(description="Share of images classified correctly at the operating threshold.")
    ]
    balanced_accuracy: Annotated[
        Share | None, Field(description="Mean of sensitivity and specificity; null unless both classes are present.")
    ]
    sensitivity: Annotated[
        Share | None,
        Field(
            description="Share of COVID images classified as COVID at the operating threshold; null if there are none."
        ),
    ]
    specificity: Annotated[
        Share | None,
        Field(
            description="Share of NON-COVID images classified as NON-COVID at the operating threshold; null if there "
            "are none."
        ),
    ]
    f1: Annotated[
        Share | None,
        Field(description="F1 for COVID; null where no image is labelled or classified as COVID."),
    ]
    brier: Annotated[
        Share | None,
        Field(description="Mean squared difference between the probability of COVID and the label; lower is better."),
    ]
    ece: Annotated[
        Share | None,
        Field(
            description="Expected calibration error over 15 equal-width bins of the confidence in the more probable "
            "class; lower is better. Chance alone raises it: about 0.06 for a perfectly calibrated model and 200 "
            "images."
        ),
    ]


@closed
class GroupSummary(GroupSize, MetricValues):
    """The size of a set of images, and its metrics at the operating threshold."""

    intervals: Annotated[Intervals, Field(description="The interval of each metric.")]


@closed
class PredictiveValueIntervals(TypedDict):
    """Intervals of the predictive values."""

    ppv: Interval
    npv: Interval


@closed
class PredictiveValues(TypedDict):
    """Predictive values where this share of those examined has COVID."""

    prevalence: Annotated[float, Field(gt=0, le=1, description="The share.")]
    ppv: Annotated[
        Share | None, Field(description="How often a classification as COVID is right; null if there is none.")
    ]
    npv: Annotated[
        Share | None, Field(description="How often a classification as NON-COVID is right; null if there is none.")
    ]
    intervals: Annotated[PredictiveValueIntervals, Field(description="Their intervals.")]


@closed
class SetSizes(TypedDict):
    """Shares of images with no class, one class or both classes in their conformal set."""

    empty: Share
    single: Share
    both: Share


@closed
class ConformalCoverage(TypedDict):
    """How the conformal sets perform on a set of images."""

    coverage: Annotated[
        PerClass[Share | None],
        Field(description="Share of each class's images whose set holds that class; null if there are none."),
    ]
    sets: Annotated[
        SetSizes, Field(description="Shares of images with no class, one class or both classes in their set.")
    ]


@closed
class Subgroup(GroupSummary):
    """The same metrics for a part of a set."""

    by: Annotated[Subdivision, Field(description="What the set is divided by.")]
    value: Annotated[str, Field(description="Which part; ages are in bands of years. `unknown` is a part as well.")]


@closed
class SetSummary(GroupSummary):
    """What is reported of every set of images, whatever the model gives beside probabilities."""

    predictive_values: Annotated[
        list[PredictiveValues],
        Field(
            description="By Bayes' rule from this set's sensitivity and specificity, at prevalences other than its own."
        ),
    ]
    subgroups: Annotated[list[Subgroup], Field(description="The same metrics for each source, view, sex and age band.")]


@closed
class SplitSummary(SetSummary):
    """A whole split or external set."""

    conformal: Annotated[ConformalCoverage, Field(description="How the conformal sets perform here.")]
    verdicts: Annotated[
        dict[Verdict, Share],
        Field(
            description="Share of images with each verdict; verdicts that no image gets are left out. The "
            "out-of-distribution gate is not applied."
        ),
    ]


@closed
class DatasetId(TypedDict):
    """Which dataset it is."""

    name: Annotated[str, Field(description="Repo id on the Hub, or the name of a folder.")]
    revision: Annotated[str | None, Field(description="Commit on the Hub; null for a folder.")]
    fingerprint: Annotated[str, Field(description="The content fingerprint that its report gives.")]


@closed
class ExternalSummary(SplitSummary):
    """An external set: the same as a split, and which set it is."""

    dataset: Annotated[DatasetId, Field(description="Which set it is.")]
