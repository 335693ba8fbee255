"""`report.json`: what went in, what was left out and why, and how the images are divided.

Everything that names a file or a patient is under the one key `lists`, so that the public version (on the Hub, and as a
model repo's `dataset_report.json`) is `{key: value for key, value in report.items() if key != "lists"}`:

    prepared_by, labels, image_size, seed, sources, fingerprint, versions
    images, patients
    splits      split → {"images", "patients", "labels": {label: images}}
    counts      source → label → split → images, zeros included
    ages        label → {"known", "unknown", "min", "quartiles": [q1, median, q3], "max"} in years
    views, sexes, findings     label → value → images ("" is unknown)
    files       source → {"formats": …, "modes": …} of the raw files
    licences    source → licence → images, where the collection states them
    refused     {"total", "reasons": {reason: files}, "sources": {source: {reason: files}}}
    copies      what was done with near-duplicates (`--duplicates`): drop, keep or report
    duplicates  {"groups", "files"} of near-duplicates with one label, byte-identical ones among them
    conflicts   {"groups", "files"} of near-duplicates with both labels, refused unless `copies` is report
    straddling  {"groups", "files"} of patients or near-duplicates of which a collection had put some into a held-out
                split, or which share an external set; those that had to leave are also counted in `refused`
    audit       what `dataset_script.audit.audit` found; external sets have none
    moves       images that were in another split of the dataset that this one replaced
    external    the names of the external sets made in the same run
    lists       {"refused": [{"source", "file", "reason"}], "duplicates", "conflicts", "straddling": [["source/file"]],
                "moves": [{"file", "from", "to"}]}
"""

import hashlib
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from cxr.schema.dataset import SPLITS
from cxr.schema.labels import LABELS
from dataset_script.collections.record import Refusal
from dataset_script.storage.rows import Row

PREPARED_BY = "dataset_script"
_TOOLS = ("datasets", "pyarrow", "pillow", "numpy", "opencv-python-headless", "ImageHash")
_LISTS = ("duplicates", "conflicts", "straddling")


@dataclass(frozen=True)
class Contents:
    """What one dataset consists of, and how it came to be.

    Attributes:
        splits: the rows of every split.
        refusals: what was left out of its collections.
        licences: images by source and licence.
        settings: `image_size`, `seed`, `sources`, `external`, and `copies` where near-duplicates were searched for.
        lists: groups of names under `duplicates`, `conflicts` and `straddling`.
        moves: images that were in another split of the dataset that this one replaces.
    """

    splits: Mapping[str, Sequence[Row]]
    refusals: Sequence[Refusal]
    licences: Counter[tuple[str, str]]
    settings: Mapping[str, Any]
    lists: Mapping[str, list[list[str]]] = field(default_factory=dict)
    moves: list[dict[str, str]] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """The rows of all splits."""
        return [row for rows in self.splits.values() for row in rows]


def fingerprint_dataset(splits: Mapping[str, Sequence[Row]], image_size: int) -> str:
    """A hash of what the Parquet files hold: splits, labels, files, sources, patients and image size, in any order."""
    digest = hashlib.sha256(str(image_size).encode())
    keys = ("label", "sha256", "source", "patient_id", "file")
    lines = (
        json.dumps([split, *(getattr(row, key) for key in keys)]) for split, rows in splits.items() for row in rows
    )
    for line in sorted(hashlib.sha256(line.encode()).digest() for line in lines):
        digest.update(line)
    return digest.hexdigest()


def compose_report(contents: Contents) -> dict[str, Any]:
    """The report on a dataset, without the audit."""
    rows, lists = contents.rows, {key: contents.lists.get(key, []) for key in _LISTS}
    return {
        "prepared_by": PREPARED_BY,
        "labels": LABELS,
        **contents.settings,
        "fingerprint": fingerprint_dataset(contents.splits, contents.settings["image_size"]),
        "versions": {"python": platform.python_version()} | {tool: version(tool) for tool in _TOOLS},
        "images": len(rows),
        "patients": _count_patients(rows),
        "splits": {split: _summarize_split(contents.splits.get(split, [])) for split in SPLITS},
        "counts": _count_by_source(contents.splits),
        "ages": {name: _summarize_ages(rows, label) for label, name in enumerate(LABELS)},
        **{f"{key}s": _nested((LABELS[row.label], getattr(row, key)) for row in rows) for key in ("view", "finding")},
        "sexes": _nested((LABELS[row.label], row.sex) for row in rows),
        "files": _count_file_facts(rows),
        "licences": _nested(key for key, count in contents.licences.items() for _ in range(count)),
        "refused": {
            "total": len(contents.refusals),
            "reasons": _nested((refusal.reason,) for refusal in contents.refusals),
            "sources": _nested((refusal.source, refusal.reason) for refusal in contents.refusals),
        },
        **{key: {"groups": len(groups), "files": sum(map(len, groups))} for key, groups in lists.items()},
        "moves": len(contents.moves),
        "lists": {"refused": [asdict(refusal) for refusal in contents.refusals], **lists, "moves": contents.moves},
    }


def _nested(paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """Count tuples into nested dictionaries with sorted keys: (a, b), (a, c), (a, b) → {a: {b: 2, c: 1}}."""
    tree: dict[str, Any] = {}
    for path, count in sorted(Counter(paths).items()):
        branch = tree
        for key in path[:-1]:
            branch = branch.setdefault(key, {})
        branch[path[-1]] = count
    return tree


def _count_by_source(splits: Mapping[str, Sequence[Row]]) -> dict[str, dict[str, dict[str, int]]]:
    counts = Counter((row.source, LABELS[row.label], split) for split, rows in splits.items() for row in rows)
    return {
        source: {name: {split: counts[source, name, split] for split in SPLITS} for name in LABELS}
        for source in sorted({source for source, _, _ in counts})
    }


def _count_patients(rows: Iterable[Row]) -> int:
    return len({(row.source, row.patient_id) for row in rows})


def _summarize_split(rows: Sequence[Row]) -> dict[str, Any]:
    labels = Counter(LABELS[row.label] for row in rows)
    return {"images": len(rows), "patients": _count_patients(rows), "labels": {name: labels[name] for name in LABELS}}


def _summarize_ages(rows: Sequence[Row], label: int) -> dict[str, Any]:
    ages = [row.age for row in rows if row.label == label]
    known = [age for age in ages if age is not None]
    summary: dict[str, Any] = {"known": len(known), "unknown": len(ages) - len(known)}
    if known:
        quartiles = [round(float(value), 1) for value in np.percentile(known, (25, 50, 75))]
        summary |= {"min": min(known), "quartiles": quartiles, "max": max(known)}
    return summary


def _count_file_facts(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, int]]]:
    by_source = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    return {
        source: {f"{key}s": _nested((getattr(row, key),) for row in mine) for key in ("format", "mode")}
        for source, mine in sorted(by_source.items())
    }
