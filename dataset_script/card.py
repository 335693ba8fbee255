"""The dataset card: front matter that `load_dataset` and the Hub's viewer read, and what a reader must know."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow.parquet
from datasets import DatasetInfo, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

from cxr.markdown import table
from cxr.schema.dataset import is_synthetic
from cxr.schema.features import FEATURES
from cxr.schema.labels import LABELS
from cxr.schema.verdicts import DISCLAIMER
from dataset_script.collections.provenance import origin_of

_UNKNOWN = "as given by whoever prepared it"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TEXT = """# Chest radiographs, COVID-19 or not

{images:,} frontal chest radiographs as 8-bit grayscale with a short side of {image_size} px, divided by patient.
Prepared by `python -m dataset_script`, seed {seed}; content fingerprint `{fingerprint}`.
`report.json` holds every count below, and names what was left out, with the reason.

{split_table}

## Where the pictures come from

{source_table}

A collection's own terms go on to hold for its pictures.

## How far it can be fooled

{audit}

## Left out

{refused_table}

## Read before use

{caveats}
"""


def compose(report: dict, shards: Mapping[str, list[str]], folder: Path, report_name: str) -> str:
    """The text of README.md for the dataset whose Parquet files, by split, lie in `folder`.

    The front matter names them one by one, and the report that belongs to them.
    """
    text = _TEXT.format(
        **{key: report[key] for key in ("images", "image_size", "seed", "fingerprint")},
        split_table=_split_table(report),
        source_table=_source_table(report),
        refused_table=_refused_table(report["refused"]["reasons"]),
        audit=_audit(report),
        caveats="\n\n".join(_caveats(report["counts"])),
    )
    return f"---\n{_front_matter(report, shards, folder, report_name)}\n---\n\n{text}"


def _audit(report: dict) -> str:
    if "audit" not in report:
        return "This set was not audited: how much of the label can be guessed without a lung is not known."
    from dataset_script.audit.audit import paragraph  # here, because its imports take seconds

    return paragraph(report["audit"])


def _front_matter(report: dict, shards: Mapping[str, list[str]], folder: Path, report_name: str) -> str:
    synthetic = is_synthetic(report["counts"])
    matter = DatasetCardData(
        pretty_name="Chest radiographs, COVID-19 or not",
        license="apache-2.0" if synthetic else "other",
        task_categories=["image-classification"],
        size_categories=[next((name for bound, name in _SIZES if report["images"] < bound), "1M<n<10M")],
        tags=["medical", "chest-x-ray", "covid-19", *(["synthetic"] if synthetic else [])],
        report=report_name,
    )
    data_files = [{"split": split, "path": names} for split, names in shards.items()]
    MetadataConfigs({"default": {"data_files": data_files}}).to_dataset_card_data(matter)
    DatasetInfosDict({"default": _info(report, shards, folder)}).to_dataset_card_data(matter)
    return matter.to_yaml()


def _info(report: dict, shards: Mapping[str, list[str]], folder: Path) -> DatasetInfo:
    splits, on_disk = SplitDict(), 0
    for split, names in shards.items():
        files = [folder / name for name in names]
        splits.add(SplitInfo(split, _uncompressed(files), report["splits"][split]["images"]))
        on_disk += sum(file.stat().st_size for file in files)
    size = sum(split.num_bytes for split in splits.values())
    return DatasetInfo(features=FEATURES, splits=splits, download_size=on_disk, dataset_size=size)


def _uncompressed(files: Iterable[Path]) -> int:
    footers = (pyarrow.parquet.read_metadata(file) for file in files)
    return sum(footer.row_group(group).total_byte_size for footer in footers for group in range(footer.num_row_groups))


def _split_table(report: dict) -> str:
    rows = [
        (split, found["images"], *(found["labels"][name] for name in LABELS), found["patients"])
        for split, found in report["splits"].items()
    ]
    return table(("Split", "Images", *LABELS, "Patients"), rows)


def _source_table(report: dict) -> str:
    rows = []
    for source, labels in report["counts"].items():
        images = (sum(labels[name].values()) for name in LABELS)
        stated = report["licences"].get(source, {})
        known = origin_of(source)
        terms = ", ".join(f"{name} ({count})" for name, count in stated.items())
        terms = terms or (known.licence if known else "see the collection")
        title = f"[{known.title}]({known.url})" if known and known.url else known.title if known else _UNKNOWN
        rows.append((source, *images, title, terms, known.confounders if known else "not known to us"))
    return table(("Collection", *LABELS, "Origin", "Licence (images)", "Known confounders"), rows)


def _refused_table(reasons: Mapping[str, int]) -> str:
    return table(("Reason", "Files"), reasons.items()) if reasons else "Nothing."


def _caveats(counts: dict) -> list[str]:
    found = [DISCLAIMER]
    one_sided = [source for source, labels in counts.items() if not all(sum(labels[name].values()) for name in LABELS)]
    if is_synthetic(counts):
        found.append("Every picture is synthetic; no score on it says anything about patients.")
    if one_sided:
        found.append(
            f"All pictures of {', '.join(one_sided)} have one label: a model can score well by telling collections "
            "apart and know nothing about COVID-19."
        )
    return found
