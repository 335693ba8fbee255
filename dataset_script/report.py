"""`report.json`: what went in, what was left out and why, and how it is divided.

Everything that names a file or a patient stands under the one key `lists`, so that a copy without it (a model repo's
`dataset_report.json`) is `{key: value for key, value in report.items() if key != "lists"}`:

    prepared_by, labels, image_size, seed, sources, fingerprint, versions
    images, patients
    splits      split → {"images", "patients", "labels": {label: images}}
    counts      source → label → split → images, zeros included
    ages        label → {"known", "unknown", "min", "quartiles": [q1, median, q3], "max"} in years
    views, sexes, findings     label → value → images ("" is unknown)
    files       source → {"formats": …, "modes": …} of the raw files
    licences    source → licence → images, where the collection states them
    refused     {"total", "reasons": {reason: files}, "sources": {source: {reason: files}}}
    copies      what was done with copies: drop, keep or report
    duplicates  {"groups", "files"} of copies of one exposure, byte-identical ones among them
    conflicts   {"groups", "files"} of those with both labels, which are refused unless `copies` is report
    straddling  {"groups", "files"} of patients or copies that their collections had put on both sides of a held-out
                split, or of an external set; those that had to leave are also counted in `refused`
    audit       what `dataset_script.audit.audit` found; external sets have none
    moves       pictures that stood in another split of the dataset that this one replaced
    external    the names of the external sets made in the same run
    lists       {"refused": [{"source", "file", "reason"}], "duplicates", "conflicts", "straddling": [["source/file"]],
                "moves": [{"file", "from", "to"}]}
"""

import hashlib
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version

import numpy as np

from cxr.schema.dataset import SPLITS
from cxr.schema.labels import LABELS
from cxr.schema.report import PREPARED_BY
from dataset_script.records import Refusal, Row

_TOOLS = ("datasets", "pyarrow", "pillow", "numpy", "opencv-python-headless", "ImageHash")


def fingerprint(rows: Sequence[Row], image_size: int) -> str:
    """A hash of what the Parquet files hold: labels, splits, patients, raw files and picture size, in no order."""
    digest = hashlib.sha256(str(image_size).encode())
    keys = ("split", "label", "sha256", "source", "patient_id", "file")
    lines = (json.dumps([getattr(row, key) for key in keys]) for row in rows)
    for line in sorted(hashlib.sha256(line.encode()).digest() for line in lines):
        digest.update(line)
    return digest.hexdigest()


def compose(rows: Sequence[Row], refusals: Sequence[Refusal], lists: dict, settings: dict, licences: Counter) -> dict:
    """The report on `rows` (Contract 1 without the picture, plus `split`)."""
    return {
        "prepared_by": PREPARED_BY,
        "labels": LABELS,
        **settings,
        "fingerprint": fingerprint(rows, settings["image_size"]),
        "versions": {"python": platform.python_version()} | {tool: version(tool) for tool in _TOOLS},
        "images": len(rows),
        "patients": _patients(rows),
        "splits": {split: _split(rows, split) for split in SPLITS},
        "counts": _counts(rows),
        "ages": {name: _ages(rows, label) for label, name in enumerate(LABELS)},
        **{f"{key}s": _nested((LABELS[row.label], getattr(row, key)) for row in rows) for key in ("view", "finding")},
        "sexes": _nested((LABELS[row.label], row.sex) for row in rows),
        "files": _files(rows),
        "licences": _nested(key for key, count in licences.items() for _ in range(count)),
        "refused": {
            "total": len(refusals),
            "reasons": _nested((refusal.reason,) for refusal in refusals),
            "sources": _nested((refusal.source, refusal.reason) for refusal in refusals),
        },
        **{key: _groups(lists[key]) for key in ("duplicates", "conflicts", "straddling")},
        "moves": len(lists["moves"]),
        "lists": {"refused": [asdict(refusal) for refusal in refusals], **lists},
    }


def _nested(paths: Iterable[tuple[str, ...]]) -> dict:
    """Count tuples into nested dictionaries with sorted keys: (a, b), (a, c), (a, b) → {a: {b: 2, c: 1}}."""
    found: dict = {}
    for path, count in sorted(Counter(paths).items()):
        inner = found
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = count
    return found


def _counts(rows: Sequence[Row]) -> dict:
    found = Counter((row.source, LABELS[row.label], row.split) for row in rows)
    sources = sorted({row.source for row in rows})
    return {
        source: {name: {split: found[source, name, split] for split in SPLITS} for name in LABELS} for source in sources
    }


def _patients(rows: Iterable[Row]) -> int:
    return len({(row.source, row.patient_id) for row in rows})


def _split(rows: Sequence[Row], split: str) -> dict:
    mine = [row for row in rows if row.split == split]
    labels = Counter(LABELS[row.label] for row in mine)
    return {"images": len(mine), "patients": _patients(mine), "labels": {name: labels[name] for name in LABELS}}


def _ages(rows: Sequence[Row], label: int) -> dict:
    mine = [row.age for row in rows if row.label == label]
    known = [age for age in mine if age is not None]
    found = {"known": len(known), "unknown": len(mine) - len(known)}
    if known:
        quartiles = [round(float(value), 1) for value in np.percentile(known, (25, 50, 75))]
        found |= {"min": min(known), "quartiles": quartiles, "max": max(known)}
    return found


def _files(rows: Sequence[Row]) -> dict:
    by_source = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    return {
        source: {f"{key}s": _nested((getattr(row, key),) for row in mine) for key in ("format", "mode")}
        for source, mine in sorted(by_source.items())
    }


def _groups(groups: Sequence[Sequence[str]]) -> dict:
    return {"groups": len(groups), "files": sum(map(len, groups))}
