"""`report.json` of a prepared dataset (Contract 1): what went in, what was left out and why, and how it is divided.

Everything that names a file or a patient stands under the one key `lists`. A published dataset and a model repo
(`dataset_report.json`) hold the report without it.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from cxr.schema.document import Count, PerClass, PerSplit, Sha256, Share, closed

PREPARED_BY: Literal["dataset_script"] = "dataset_script"


@closed
class Sizes(TypedDict):
    """How many images and patients."""

    images: Count
    patients: Count


@closed
class SplitSize(Sizes):
    """How many images and patients of a split, and how many images of each class."""

    labels: PerClass[Count]


@closed
class Ages(TypedDict):
    """Ages in years; without `min`, `quartiles` and `max` where none is known."""

    known: Annotated[Count, Field(description="Images with a known age.")]
    unknown: Annotated[Count, Field(description="Images without one.")]
    min: NotRequired[float]
    quartiles: NotRequired[Annotated[list[float], Field(min_length=3, max_length=3)]]
    max: NotRequired[float]


@closed
class RawFiles(TypedDict):
    """What the raw files are, by number of images."""

    formats: dict[str, Count]
    modes: dict[str, Count]


@closed
class Refused(TypedDict):
    """Files that were left out."""

    total: Count
    reasons: Annotated[dict[str, Count], Field(description="Reason → files.")]
    sources: Annotated[dict[str, dict[str, Count]], Field(description="Source → reason → files.")]


@closed
class ColumnMap(TypedDict):
    """The columns of a collection's table."""

    used: Annotated[dict[str, str], Field(description="Field → the column that it was read from.")]
    unused: Annotated[list[str], Field(description="Columns that were not read though their names suggest a field.")]


@closed
class Groups(TypedDict):
    """How many groups of files, and how many files in all of them."""

    groups: Count
    files: Count


@closed
class ProbeResult(Sizes):
    """A probe: a small classifier that is shown everything but the lungs, and how well it guesses the label.

    `images` and `patients` are those of the test split that it was scored on.
    """

    name: Annotated[str, Field(description="Which probe.")]
    what: Annotated[str, Field(description="What it was shown.")]
    auroc: Annotated[Share | None, Field(description="AUROC on test images; null where it could not be measured.")]
    low: Annotated[Share | None, Field(description="Lower end of the 95 % interval over patients.")]
    high: Annotated[Share | None, Field(description="Upper end of the 95 % interval over patients.")]
    shouts: Annotated[
        bool, Field(description="Whether the probe is flagged: AUROC at least 0.70, its interval above 0.60.")
    ]
    note: NotRequired[Annotated[str, Field(description="Why there is no AUROC.")]]


@closed
class Audit(TypedDict):
    """How well the label can be guessed without looking at a lung."""

    verdict: Annotated[str, Field(description="The result in one sentence.")]
    probes: list[ProbeResult]
    differences: Annotated[list[str], Field(description="Sentences on ages and views that differ between the classes.")]
    lungs: Annotated[
        Literal["masks", "box"],
        Field(description="How lungs are blacked out: by the collections' masks, or by a central box."),
    ]
    fitted_on: Annotated[Sizes, Field(description="Training images that the probes were fitted on.")]
    scored_on: Annotated[Sizes, Field(description="Test images that they were scored on.")]


@closed
class RefusedFile(TypedDict):
    """A file that was left out."""

    source: str
    file: str
    reason: str


MovedFile = TypedDict("MovedFile", {"file": str, "from": str, "to": str})
MovedFile.__doc__ = "An image and the splits that it moved from and to."

NamedGroups = list[list[str]]
"""Groups of files, each named `source/file`."""


@closed
class Lists(TypedDict):
    """Files and groups of files by name; never published."""

    refused: list[RefusedFile]
    duplicates: NamedGroups
    conflicts: NamedGroups
    straddling: NamedGroups
    moves: list[MovedFile]


Counts = dict[str, PerClass[PerSplit[Count]]]
"""Source → class → split → images."""


@closed
class Report(TypedDict):
    """What went into a prepared dataset, what was left out and why, and how it is divided.

    Everything that names a file or a patient stands under `lists`, which a published report does not have.
    """

    prepared_by: Literal["dataset_script"]
    labels: Annotated[list[Literal["NON-COVID", "COVID"]], Field(min_length=2, max_length=2)]
    image_size: Annotated[Count, Field(description="Short side of the images in pixels.")]
    seed: Annotated[int, Field(description="Of the split.")]
    sources: Annotated[list[str], Field(description="Sources as given, without the folders above them.")]
    copies: NotRequired[
        Annotated[
            Literal["drop", "keep", "report"],
            Field(description="What was done with near-duplicates; external sets do not say."),
        ]
    ]
    external: Annotated[list[str], Field(description="Names of the external sets made in the same run.")]
    fingerprint: Annotated[
        Sha256,
        Field(description="Hash of what the Parquet files hold: labels, splits, patients, raw files, image size."),
    ]
    versions: Annotated[dict[str, str], Field(description="Versions of Python and of packages.")]
    images: Count
    patients: Count
    splits: PerSplit[SplitSize]
    counts: Annotated[Counts, Field(description="Source → class → split → images, zeros included.")]
    ages: PerClass[Ages]
    views: Annotated[dict[str, dict[str, Count]], Field(description='Class → view → images; "" is unknown.')]
    findings: Annotated[dict[str, dict[str, Count]], Field(description='Class → finding → images; "" is unknown.')]
    sexes: Annotated[dict[str, dict[str, Count]], Field(description='Class → sex → images; "" is unknown.')]
    files: Annotated[dict[str, RawFiles], Field(description="Source → formats and modes of its raw files.")]
    licences: Annotated[
        dict[str, dict[str, Count]], Field(description="Source → licence → images, where the collection states them.")
    ]
    label_values: NotRequired[
        Annotated[
            dict[str, dict[str, dict[str, Count]]],
            Field(description="Source → value in the collection → class or reason to leave it out → images."),
        ]
    ]
    columns: NotRequired[Annotated[dict[str, ColumnMap], Field(description="Table → how its columns were read.")]]
    reference_standards: NotRequired[
        Annotated[
            dict[str, dict[str, Count]],
            Field(description='Source → what its labels rest on → images; "" is not known to us.'),
        ]
    ]
    boxes: NotRequired[Annotated[dict[str, Count], Field(description="Source → images with marked opacities.")]]
    unknown_views: NotRequired[
        Annotated[
            dict[str, dict[str, Count]],
            Field(description="Source → view that is neither known as frontal nor as another, and was kept → images."),
        ]
    ]
    image_warnings: NotRequired[
        Annotated[dict[str, Count], Field(description="What makes gray values doubtful → images that were kept.")]
    ]
    refused: Refused
    duplicates: Annotated[Groups, Field(description="Near-duplicates of one exposure, identical files included.")]
    conflicts: Annotated[
        Groups, Field(description="Groups of near-duplicates with both labels; left out unless `copies` is report.")
    ]
    straddling: Annotated[
        Groups,
        Field(
            description="Patients or near-duplicates that their collections had put on both sides of a held-out split "
            "or of an external set; files that had to leave are also counted in `refused`."
        ),
    ]
    moves: Annotated[
        Count, Field(description="Images that were in another split of the dataset that this one replaced.")
    ]
    lists: NotRequired[Lists]
    audit: NotRequired[Annotated[Audit, Field(description="External sets have none.")]]


def label_rows(report: Report) -> list[tuple[str, str, str, int]]:
    """Source, value in the collection, what it was read as, and how many images; frequent values of a source first."""
    rows = [
        (source, value or "(empty)", outcome, count)
        for source, values in report.get("label_values", {}).items()
        for value, outcomes in values.items()
        for outcome, count in outcomes.items()
    ]
    return sorted(rows, key=lambda row: (row[0], -row[3], row[1]))


def without_lists(report: Report) -> Report:
    """The report as it is published: without what names files or patients."""
    public = report.copy()
    public.pop("lists", None)
    return public
