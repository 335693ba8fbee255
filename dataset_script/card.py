"""The dataset card: front matter that `load_dataset` and the Hub's viewer read, and what a reader must know."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet
from datasets import DatasetInfo, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

from cxr.markdown import escape, link, table
from cxr.schema.dataset import SPLITS, is_synthetic
from cxr.schema.dataset_card import CARD
from cxr.schema.document import check
from cxr.schema.features import FEATURES
from cxr.schema.labels import LABELS
from cxr.schema.probes import FLAG_AUROC, FLAG_LOW
from cxr.schema.report import Audit, ProbeResult, Report, label_rows
from cxr.schema.verdicts import DISCLAIMER
from dataset_script.collections.provenance import origin_of

_UNKNOWN = "not known to us"
_UNKNOWN_ORIGIN = "as stated by the person who prepared it"
_MAX_LABEL_VALUES = 60
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TEXT = """# Chest radiographs, COVID-19 or not

{images:,} frontal chest radiographs as 8-bit grayscale with a short side of {image_size} px, divided by patient.
Prepared by `python -m dataset_script` with seed {seed}; content fingerprint `{fingerprint}`.
`report.json` holds every count below, and what was left out, with the reason.

{split_table}

## Where the images come from

{source_table}

Each collection's own terms continue to apply to its images.

## How labels were read

{label_table}

## What the label can be guessed from

{audit}

## Left out

{refused_table}

## Read before use

{caveats}
"""
_NOT_AUDITED = "This dataset was not audited: how much of the label can be guessed without the lungs is not known."


def compose_card(report: Report, shards: Mapping[str, Sequence[str]], folder: Path, report_name: str) -> str:
    """The text of README.md for the dataset in `folder`.

    The front matter lists its Parquet files by name (`shards`, by split), and the report that belongs to them.
    """
    text = _TEXT.format(
        images=report["images"],
        image_size=report["image_size"],
        seed=report["seed"],
        fingerprint=report["fingerprint"],
        split_table=_split_table(report),
        source_table=_source_table(report),
        label_table=_label_table(report),
        refused_table=_refused_table(report["refused"]["reasons"]),
        audit=describe_audit(report["audit"]) if "audit" in report else _NOT_AUDITED,
        caveats="\n\n".join(_caveats(report)),
    )
    return f"---\n{_front_matter(report, shards, folder, report_name)}\n---\n\n{text}"


def write_card(report: Report, shards: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write the card of the dataset in `folder`, and the report under the name by which the card refers to it.

    Raises:
        pydantic.ValidationError: if the report does not keep to its model.
    """
    check(Report, report)
    text = (json.dumps(report, indent=1) + "\n").encode()
    name = f"data/report-{hashlib.sha256(text).hexdigest()[:12]}.json"
    (folder / name).write_bytes(text)
    (folder / CARD).write_text(compose_card(report, shards, folder, name), encoding="utf-8")


def _front_matter(report: Report, shards: Mapping[str, Sequence[str]], folder: Path, report_name: str) -> str:
    synthetic = is_synthetic(report["counts"])
    matter = DatasetCardData(
        pretty_name="Chest radiographs, COVID-19 or not",
        license="apache-2.0" if synthetic else "other",
        task_categories=["image-classification"],
        size_categories=[next((name for bound, name in _SIZES if report["images"] < bound), "1M<n<10M")],
        tags=["medical", "chest-x-ray", "covid-19", *(["synthetic"] if synthetic else [])],
        report=report_name,
    )
    data_files = [{"split": split, "path": list(names)} for split, names in shards.items()]
    MetadataConfigs({"default": {"data_files": data_files}}).to_dataset_card_data(matter)
    DatasetInfosDict({"default": _info(report, shards, folder)}).to_dataset_card_data(matter)
    return matter.to_yaml()


def _info(report: Report, shards: Mapping[str, Sequence[str]], folder: Path) -> DatasetInfo:
    splits, on_disk = SplitDict(), 0
    for split in (split for split in SPLITS if split in shards):
        files = [folder / name for name in shards[split]]
        splits.add(SplitInfo(split, _uncompressed(files), report["splits"][split]["images"]))
        on_disk += sum(file.stat().st_size for file in files)
    size = sum(info.num_bytes for info in splits.values())
    return DatasetInfo(features=FEATURES, splits=splits, download_size=on_disk, dataset_size=size)


def _uncompressed(files: Iterable[Path]) -> int:
    footers = (pyarrow.parquet.read_metadata(file) for file in files)
    return sum(footer.row_group(group).total_byte_size for footer in footers for group in range(footer.num_row_groups))


def _split_table(report: Report) -> str:
    rows = [
        (split, counts["images"], *(counts["labels"][name] for name in LABELS), counts["patients"])
        for split, counts in report["splits"].items()
    ]
    return table(("Split", "Images", *LABELS, "Patients"), rows)


def _source_table(report: Report) -> str:
    rows = []
    for source, labels in report["counts"].items():
        images = (sum(labels[name].values()) for name in LABELS)
        stated = report["licences"].get(source, {})
        known = origin_of(source)
        terms = ", ".join(f"{name} ({count})" for name, count in stated.items())
        terms = terms or (known.licence if known else "see the collection")
        title = link(known.title, known.url) if known and known.url else known.title if known else _UNKNOWN_ORIGIN
        stated_standards = report.get("reference_standards", {}).get(source, {})
        reference = "; ".join(standard or _UNKNOWN for standard in stated_standards) or _UNKNOWN
        rows.append((source, *images, title, terms, reference, known.confounders if known else _UNKNOWN))
    header = ("Collection", *LABELS, "Origin", "Licence (images)", "Reference standard", "Known confounders")
    return table(header, rows)


def _label_table(report: Report) -> str:
    """Every value of a collection's labels, what it was read as, and how many images have it."""
    rows = label_rows(report)
    shown = table(("Collection", "Value in the collection", "Read as", "Images"), rows[:_MAX_LABEL_VALUES])
    more = (
        f"\n\n{len(rows) - _MAX_LABEL_VALUES:,} rarer values are listed in `report.json`."
        if len(rows) > _MAX_LABEL_VALUES
        else ""
    )
    return shown + more if rows else "Not recorded."


def describe_audit(section: Audit) -> str:
    """The audit's section of a report in Markdown."""
    rows = [(entry["what"], _auroc(entry), "yes" if entry["shouts"] else "no") for entry in section["probes"]]
    scored, fitted = section["scored_on"], section["fitted_on"]
    method = (
        f"Fitted on {fitted['images']:,} training images ({fitted['patients']:,} patients), scored once on "
        f"{scored['images']:,} test images ({scored['patients']:,} patients), intervals over patients. Chance is 0.50. "
        f"A probe is flagged from an AUROC of {FLAG_AUROC:.2f} on if its interval begins above {FLAG_LOW:.2f}: then a "
        "model's score on this dataset's own test split is no evidence that it uses the lungs."
    )
    probes = table(("Shown to a small classifier", "AUROC (95 % interval)", "Flagged"), rows)
    return "\n\n".join([f"**{escape(section['verdict'])}**", probes, method, *map(escape, section["differences"])])


def _auroc(entry: ProbeResult) -> str:
    if entry["auroc"] is None:
        return f"not tested: {entry['note']}"
    return f"{entry['auroc']:.2f} ({entry['low']:.2f}–{entry['high']:.2f})"


def _refused_table(reasons: Mapping[str, int]) -> str:
    return table(("Reason", "Files"), reasons.items()) if reasons else "Nothing."


def _caveats(report: Report) -> list[str]:
    caveats = [DISCLAIMER]
    counts = report["counts"]
    one_sided = [source for source, labels in counts.items() if not all(sum(labels[name].values()) for name in LABELS)]
    if is_synthetic(counts):
        caveats.append("Every image is synthetic; no score on it says anything about patients.")
    if one_sided:
        caveats.append(
            f"All images of {', '.join(map(escape, one_sided))} have one label: a model can score well by telling "
            "collections apart, without any knowledge of COVID-19."
        )
    return caveats
