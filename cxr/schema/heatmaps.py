"""What `metrics.json` says of heatmaps, measured against what people marked."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from cxr.schema.document import Count, Interval, Share, closed

HeatmapWay = Literal["class_activation_map", "usual_place", "random_weights", "chance"]
"""What points at a place in an image: a model's heatmap, and what it is compared with."""


@closed
class LocalizationIntervals(TypedDict):
    """Intervals of the two measures of localization."""

    pointing_game: Interval
    evidence_inside: Interval


@closed
class Localization(TypedDict):
    """How a way of pointing at a place performs on images in which people marked opacities."""

    pointing_game: Annotated[
        Share, Field(description="Mean over the images of whether the map's maximum lies in a marked opacity.")
    ]
    evidence_inside: Annotated[
        Share | None,
        Field(
            description="Mean over the images of the share of the positive evidence that lies in marked opacities; "
            "null if no image has positive evidence."
        ),
    ]
    intervals: Annotated[LocalizationIntervals, Field(description="Their intervals, over patients.")]


@closed
class HeatmapSummary(TypedDict):
    """Whether heatmaps point at what people marked, on images of patients; the four rows are of the same images."""

    n: Annotated[Count, Field(description="Images with marked opacities in the part that the network sees.")]
    patients: Annotated[Count, Field(description="Their distinct patients.")]
    class_activation_map: Annotated[Localization, Field(description="The model's heatmaps.")]
    chance: Annotated[Localization, Field(description="The marked share of the part that the network sees.")]
    usual_place: Annotated[
        Localization, Field(description="The place that is marked most often in the other images, as a map.")
    ]
    random_weights: Annotated[Localization, Field(description="Heatmaps of the same architecture with random weights.")]


@closed
class Heatmaps(TypedDict):
    """Heatmaps measured on the sets of patients whose opacities people marked."""

    test: Annotated[HeatmapSummary | None, Field(description="Null where no image of a patient has boxes.")]
    external: Annotated[
        dict[str, HeatmapSummary], Field(description="By the names of the external sets; those with boxes alone.")
    ]
    finer_cells: NotRequired[
        Annotated[
            bool,
            Field(description="Whether the maps measured, and shown, have finer cells than the network's own."),
        ]
    ]
