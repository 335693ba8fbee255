"""The dataset card: front matter that `load_dataset` and the Hub's viewer read, and what a reader must know."""

from pathlib import Path

import yaml
from datasets.features.features import Features

from cxr.labels import DISCLAIMER, LABELS
from dataset_script.builder import FEATURES
from dataset_script.splits import SPLITS

_PROVENANCE = {
    "ieee8023": "covid-chestxray-dataset, Cohen et al. 2020 (arXiv:2006.11988)",
    "phantom": "synthetic: drawn by a program, no patient",
}
_TEXT = """# Chest radiographs, COVID-19 or not

{images:,} frontal chest radiographs as 8-bit grayscale with a short side of {image_size} px, divided by patient.
Prepared by `python -m dataset_script`, seed {seed}; content fingerprint `{fingerprint}`.
`report.json` holds every count below and what was left out, with the reason.

{split_table}

## Where the pictures come from

{source_table}

{licence_note}

## Left out

{refused_table}

## Read before use

{caveats}
"""


def compose(report: dict, folder: Path) -> str:
    """The text of README.md for a dataset that lies in `folder`."""
    sources = report["counts"]
    text = _TEXT.format(
        **{key: report[key] for key in ("images", "image_size", "seed", "fingerprint")},
        split_table=_split_table(report),
        source_table=_source_table(report),
        licence_note="A collection's own terms go on to hold for its pictures.",
        refused_table=_table(("Reason", "Files"), report["refused"]["reasons"].items()) or "Nothing.",
        caveats=_caveats(sources),
    )
    return f"---\n{_front_matter(report, folder)}---\n\n{text}"


def _front_matter(report: dict, folder: Path) -> str:
    sizes = {split: sum(f.stat().st_size for f in folder.glob(f"data/{split}-*.parquet")) for split in SPLITS}
    matter = {
        "pretty_name": "Chest radiographs, COVID-19 or not",
        "task_categories": ["image-classification"],
        "tags": [
            "medical",
            "chest-x-ray",
            "covid-19",
            *(["synthetic"] if set(report["counts"]) == {"phantom"} else []),
        ],
        "size_categories": [_size_category(report["images"])],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in SPLITS],
            }
        ],
        "dataset_info": {
            "features": _features(FEATURES),
            "splits": [{"name": split, "num_examples": report["splits"][split]["images"]} for split in SPLITS],
            "download_size": sum(sizes.values()),
        },
    }
    return yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)


def _features(features: Features) -> list[dict]:
    return features._to_yaml_list()


def _size_category(images: int) -> str:
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((name for bound, name in bounds if images < bound), "1M<n<10M")


def _table(header: tuple[str, ...], rows: object) -> str:
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *lines])


def _split_table(report: dict) -> str:
    rows = [
        (split, found["images"], *(found["labels"][name] for name in LABELS), found["patients"])
        for split, found in report["splits"].items()
    ]
    return _table(("Split", "Images", *LABELS, "Patients"), rows)


def _source_table(report: dict) -> str:
    rows = []
    for source, labels in report["counts"].items():
        images = (sum(labels.get(name, {}).values()) for name in LABELS)
        licences = report["licences"].get(source, {})
        terms = ", ".join(f"{name} ({count})" for name, count in licences.items()) or "see the collection"
        rows.append((source, *images, _PROVENANCE.get(source, "as given by whoever prepared it"), terms))
    return _table(("Collection", *LABELS, "Origin", "Licence (images)"), rows)


def _caveats(counts: dict) -> str:
    found = [DISCLAIMER]
    one_sided = [source for source, labels in counts.items() if len(labels) == 1]
    if set(counts) == {"phantom"}:
        found.append("Every picture is synthetic; no score on it says anything about patients.")
    if one_sided:
        found.append(
            f"All pictures of {', '.join(one_sided)} have one label: a model can score well by telling collections "
            "apart and know nothing about COVID-19."
        )
    found.append("Byte-identical files never straddle splits; re-encoded or cropped copies are not searched for.")
    return "\n\n".join(found)
