"""The last check: the finished Parquet is read again; no patient, cluster or file may stand in two splits."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet

from cxr.cli import UserError

_COLUMNS = ["source", "file", "patient_id", "sha256"]


def check(folder: Path, shards: Mapping[str, list[str]], clusters: Mapping[str, int]) -> None:
    """Check the shards of every split; `clusters` gives the cluster of each `source/file` that has copies.

    Raises:
        UserError: if anything leaks; nothing has been put in place then.
    """
    seen: dict[tuple, set[str]] = defaultdict(set)
    for split, names in shards.items():
        for name in names:
            for batch in pyarrow.parquet.ParquetFile(folder / name).iter_batches(columns=_COLUMNS):
                for source, file, patient, sha256 in zip(*(column.to_pylist() for column in batch), strict=True):
                    for key in _keys(source, file, patient, sha256, clusters):
                        seen[key].add(split)
    leaks = sorted(key for key, splits in seen.items() if len(splits) > 1)
    if leaks:
        kind, what = leaks[0]
        raise UserError(
            f"{len(leaks)} patients, clusters or files stand in two splits (the first: {kind} {what}); "
            "nothing was written: please report this"
        )


def _keys(source: str, file: str, patient: str, sha256: str, clusters: Mapping[str, int]) -> list[tuple[str, str]]:
    keys = [("patient", f"{source}:{patient}"), ("file", sha256)]
    cluster = clusters.get(f"{source}/{file}")
    return keys if cluster is None else [*keys, ("cluster", str(cluster))]
