"""What `metrics.json` says of the out-of-distribution gate, and of the images of validation by which shift is seen."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from cxr.schema.document import Count, Share, closed
from cxr.schema.labels import Label


@closed
class GateShare(TypedDict):
    """How many images the gate was applied to, and the share that it passed or refused."""

    n: Count
    share: Share


@closed
class GatePassed(TypedDict):
    """X-rays that the gate passed."""

    validation: GateShare
    test: GateShare
    external: Annotated[dict[str, GateShare], Field(description="By the names of the external sets.")]


@closed
class GateSummary(TypedDict):
    """The out-of-distribution gate, which refuses images unlike the training X-rays, and how it performs."""

    threshold: Annotated[float, Field(description="Log-odds that an image must reach; set on validation.")]
    fitted_on: Annotated[str, Field(description="How many X-rays and outliers it was fitted on, and the seed.")]
    passed: Annotated[GatePassed, Field(description="X-rays passed.")]
    refused: Annotated[
        dict[str, GateShare], Field(description="Outliers made from test X-rays and refused, by kind of outlier.")
    ]


Quantiles = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=101)]
"""Evenly spaced quantiles of a distribution, from its smallest to its largest value."""


@closed
class ClassDistribution(TypedDict):
    """What the images of one class of validation are like, to the model."""

    n: Count
    refused: Annotated[Count, Field(description="How many of them the gate refuses.")]
    gate_score: Annotated[Quantiles, Field(description="Of the gate's log-odds.")]
    probability: Annotated[Quantiles, Field(description="Of the calibrated probability of COVID.")]


ValidationDistribution = Annotated[dict[Label, ClassDistribution], Field(min_length=1)]
"""By class; what many new images are compared with."""
