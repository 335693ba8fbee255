"""Composes `report.json` (`cxr.schema.report`): what went in, what was left out and why, and how images are divided."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np

from cxr.schema.dataset import SPLITS, Split
from cxr.schema.labels import LABELS
from cxr.schema.report import PREPARED_BY, Ages, Counts, MovedFile, NamedGroups, RawFiles, Report, SplitSize
from cxr.versions import versions
from dataset_script.collections.interpretation import Interpretation
from dataset_script.records import Refusal, Row

_TOOLS = ("datasets", "pyarrow", "pillow", "numpy", "opencv-python-headless", "ImageHash")
_GROUPS = ("duplicates", "conflicts", "straddling")


@dataclass(frozen=True)
class Contents:
    """What one dataset consists of, and how it came to be.

    Attributes:
        splits: the rows of every split.
        refusals: what was left out of its collections.
        licences: images by source and licence.
        settings: `image_size`, `seed`, `sources`, `external`, and `copies` where near-duplicates were searched for.
        groups: files by name under `duplicates`, `conflicts` and `straddling`.
        moves: images that were in another split of the dataset that this one replaces.
        interpretation: how the values and columns of its collections were read.
    """

    splits: Mapping[Split, Sequence[Row]]
    refusals: Sequence[Refusal]
    licences: Counter[tuple[str, str]]
    settings: Mapping[str, Any]
    groups: Mapping[str, NamedGroups] = field(default_factory=dict)
    moves: Sequence[MovedFile] = ()
    interpretation: Interpretation = field(default_factory=Interpretation)

    @property
    def rows(self) -> list[Row]:
        """The rows of all splits."""
        return [row for rows in self.splits.values() for row in rows]


def fingerprint_dataset(splits: Mapping[Split, Sequence[Row]], image_size: int) -> str:
    """A hash of what the Parquet files hold: splits, labels, files, sources, patients and image size, in any order."""
    digest = hashlib.sha256(str(image_size).encode())
    keys = ("label", "sha256", "source", "patient_id", "file")
    lines = (
        json.dumps([split, *(getattr(row, key) for key in keys)]) for split, rows in splits.items() for row in rows
    )
    for line in sorted(hashlib.sha256(line.encode()).digest() for line in lines):
        digest.update(line)
    return digest.hexdigest()


def compose_report(contents: Contents) -> Report:
    """The report on a dataset, without the audit."""
    rows, groups = contents.rows, {key: contents.groups.get(key, []) for key in _GROUPS}
    report = {
        "prepared_by": PREPARED_BY,
        "labels": LABELS,
        **contents.settings,
        "fingerprint": fingerprint_dataset(contents.splits, contents.settings["image_size"]),
        "versions": versions(_TOOLS),
        "images": len(rows),
        "patients": _count_patients(rows),
        "splits": {split: _measure_split(contents.splits.get(split, [])) for split in SPLITS},
        "counts": _count_by_source(contents.splits),
        "ages": {name: _summarize_ages(rows, label) for label, name in enumerate(LABELS)},
        "views": _nested((LABELS[row.label], row.view) for row in rows),
        "findings": _nested((LABELS[row.label], row.finding) for row in rows),
        "sexes": _nested((LABELS[row.label], row.sex) for row in rows),
        "files": _describe_files(rows),
        "licences": _nested(key for key, count in contents.licences.items() for _ in range(count)),
        **_describe_interpretation(contents.interpretation),
        "reference_standards": _nested((row.source, row.reference_standard) for row in rows),
        "boxes": _nested((row.source,) for row in rows if row.boxes),
        **_describe_warnings(rows),
        "refused": {
            "total": len(contents.refusals),
            "reasons": _nested((refusal.reason,) for refusal in contents.refusals),
            "sources": _nested((refusal.source, refusal.reason) for refusal in contents.refusals),
        },
        **{key: {"groups": len(listed), "files": sum(map(len, listed))} for key, listed in groups.items()},
        "moves": len(contents.moves),
        "lists": {
            "refused": [asdict(refusal) for refusal in contents.refusals],
            **groups,
            "moves": list(contents.moves),
        },
    }
    return cast(Report, report)  # it is checked against the model when it is written


def _describe_warnings(rows: Iterable[Row]) -> dict[str, Any]:
    warnings = _nested((row.warning,) for row in rows if row.warning)
    return {"image_warnings": warnings} if warnings else {}


def _describe_interpretation(interpretation: Interpretation) -> dict[str, Any]:
    columns = {
        table: {"used": used, "unused": interpretation.unused.get(table, [])}
        for table, used in sorted(interpretation.used.items())
    }
    return {
        "label_values": _nested(interpretation.values.elements()),
        "columns": columns,
        "unknown_views": _nested(interpretation.unknown_views.elements()),
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


def _count_by_source(splits: Mapping[Split, Sequence[Row]]) -> Counts:
    counts = Counter((row.source, LABELS[row.label], split) for split, rows in splits.items() for row in rows)
    return {
        source: {name: {split: counts[source, name, split] for split in SPLITS} for name in LABELS}
        for source in sorted({source for source, _, _ in counts})
    }


def _count_patients(rows: Iterable[Row]) -> int:
    return len({(row.source, row.patient_id) for row in rows})


def _measure_split(rows: Sequence[Row]) -> SplitSize:
    labels = Counter(LABELS[row.label] for row in rows)
    return {"images": len(rows), "patients": _count_patients(rows), "labels": {name: labels[name] for name in LABELS}}


def _summarize_ages(rows: Sequence[Row], label: int) -> Ages:
    ages = [row.age for row in rows if row.label == label]
    known = [age for age in ages if age is not None]
    summary: Ages = {"known": len(known), "unknown": len(ages) - len(known)}
    if known:
        quartiles = [round(float(value), 1) for value in np.percentile(known, (25, 50, 75))]
        summary |= {"min": min(known), "quartiles": quartiles, "max": max(known)}
    return summary


def _describe_files(rows: Sequence[Row]) -> dict[str, RawFiles]:
    by_source = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    return {
        source: {"formats": _nested((row.format,) for row in mine), "modes": _nested((row.mode,) for row in mine)}
        for source, mine in sorted(by_source.items())
    }
