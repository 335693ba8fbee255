"""From sources to a dataset on disk: read, divide, write, report, put in place."""

import errno
import json
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import datasets
import pyarrow.compute

from cxr.cli import UserError
from cxr.labels import LABELS
from dataset_script import builder, card, report, sources
from dataset_script.record import Record, Refusal
from dataset_script.splits import SPLITS, Item, assign

OUR_FILES = {"README.md", "data", "report.json"}
SHARD_BYTES = 500_000_000
CONFLICT = "has a byte-identical copy with the other label"
STRADDLES = "shares its patient or its bytes with a picture of a predefined held-out split"


def prepare(arguments: Sequence[str], out: Path, image_size: int, seed: int, num_proc: int) -> dict:
    """Build the dataset of Contract 1 in `out` and return its report.

    Raises:
        UserError: if a source is at fault, a class is missing, no picture can be read, or `out` holds something else.
    """
    out = out.expanduser().resolve()
    _check_out(out)
    found = sources.collect(arguments)
    _check_classes(found.records, found.refusals)
    with _scratch(out) as scratch:
        print(f"reading {len(found.records):,} pictures of {len(arguments)} source(s)", file=sys.stderr)
        pool, records, unreadable = builder.read_all(found.records, image_size, num_proc, scratch)
        _check_classes(records, [*found.refusals, *unreadable])
        rows = pool.remove_columns("image").to_list()
        lists = {"duplicates": [], "conflicts": [], "straddling": []}
        refusals = [*found.refusals, *unreadable, *_divide(rows, records, seed, lists)]
        kept = sorted((i for i, row in enumerate(rows) if row["split"]), key=lambda i: (rows[i]["sha256"], i))
        settings = {"image_size": image_size, "seed": seed, "sources": _public(arguments)}
        result = report.compose([rows[i] for i in kept], refusals, lists, settings, found.licences)
        print(f"writing {len(kept):,} of them to {out}", file=sys.stderr)
        _write(pool, rows, kept, result, scratch / "dataset")
        _put_in_place(scratch / "dataset", out)
    return result


def _check_out(out: Path) -> None:
    """Refuse a folder that holds anything but a dataset of ours, before hours of work and before deleting anything."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: name a new folder")
    held = {path.name for path in out.iterdir()} if out.exists() else set()
    foreign = sorted(held - OUR_FILES) if _is_ours(out) else sorted(held)
    if foreign:
        raise UserError(f"--out {out} holds {foreign[0]}, which is no dataset of ours: name a new or empty folder")


def _is_ours(out: Path) -> bool:
    try:
        return json.loads((out / "report.json").read_text(encoding="utf-8"))["prepared_by"] == report.PREPARED_BY
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _check_classes(records: Sequence[Record], refusals: Sequence[Refusal]) -> None:
    present = {record.label for record in records}
    reasons = Counter(refusal.reason for refusal in refusals)
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in reasons.most_common())
    for label, name in enumerate(LABELS):
        if label not in present:
            raise UserError(
                f"no {name} picture among the {len(records)} usable ones, and a dataset needs both classes: "
                f"add a --source that has some{left_out}"
            )


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside `out`, on the same disk, that is gone afterwards; the user's own cache stays untouched."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UserError(f"--out {out}: cannot write there ({error.strerror})") from error
    try:
        yield scratch
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"--out {out}: the disk is full; free some space or name a folder elsewhere") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _public(arguments: Sequence[str]) -> list[str]:
    """The sources as given, less the folders above them: reports are published."""
    pairs = (sources.parse(argument) for argument in arguments)
    return sorted(f"{layout}={Path(path).resolve().name}" for layout, path in pairs)


def _divide(rows: list[dict], records: Sequence[Record], seed: int, lists: dict) -> list[Refusal]:
    """Set every row's `split` (None: it leaves) and fill `lists`; returns why rows leave."""
    for row in rows:
        row["split"] = None
    names = [f"{row['source']}/{row['file']}" for row in rows]
    by_bytes = defaultdict(list)
    for index, row in enumerate(rows):
        by_bytes[row["sha256"]].append(index)
    copies = [group for group in by_bytes.values() if len(group) > 1]
    conflicts = [group for group in copies if len({rows[index]["label"] for index in group}) > 1]
    reasons = {index: CONFLICT for group in conflicts for index in group}
    clear = [index for index in range(len(rows)) if index not in reasons]
    _check_classes([records[index] for index in clear], _refusals(rows, reasons))
    found = assign([_item(rows[index], records[index]) for index in clear], seed)
    for index, split in zip(clear, found.splits, strict=True):
        rows[index]["split"] = split
    reasons |= {index: STRADDLES for index in clear if rows[index]["split"] is None}
    staying = ([index for index in group if rows[index]["split"]] for group in copies)
    lists["duplicates"] = [[names[index] for index in group] for group in staying if len(group) > 1]
    lists["conflicts"] = [[names[index] for index in group] for group in conflicts]
    lists["straddling"] = [[names[clear[index]] for index in group] for group in found.straddling]
    return _refusals(rows, reasons)


def _refusals(rows: Sequence[dict], reasons: dict[int, str]) -> list[Refusal]:
    return [Refusal(rows[index]["source"], rows[index]["file"], reason) for index, reason in sorted(reasons.items())]


def _item(row: dict, record: Record) -> Item:
    return Item(record.source, record.patient_id, row["sha256"], record.label, record.split)


def _write(pool: datasets.Dataset, rows: list[dict], kept: list[int], result: dict, folder: Path) -> None:
    """Write Parquet shards, card and report; rows stand in the order of their raw file's hash, so classes are mixed."""
    (folder / "data").mkdir(parents=True)
    for split in SPLITS:
        part = pool.select([index for index in kept if rows[index]["split"] == split])
        shards = 1 + _nbytes(part) // SHARD_BYTES
        for shard in range(shards):
            target = folder / "data" / f"{split}-{shard:05d}-of-{shards:05d}.parquet"
            part.shard(shards, shard, contiguous=True).to_parquet(str(target))
    (folder / "report.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card.compose(result, folder), encoding="utf-8")


def _nbytes(part: datasets.Dataset) -> int:
    """The pictures' bytes, summed batch by batch."""
    batches = part.select_columns("image").with_format("arrow").iter(batch_size=1000)
    lengths = (pyarrow.compute.binary_length(batch["image"].combine_chunks().field("bytes")) for batch in batches)
    return sum(pyarrow.compute.sum(length).as_py() for length in lengths)


def _put_in_place(dataset: Path, out: Path) -> None:
    """Swap by renames, so that `out` is the old dataset or the new one and never half of either."""
    old = dataset.with_name("old")
    try:
        if out.exists():
            out.rename(old)
        dataset.rename(out)
    except OSError as error:
        if old.exists():
            old.rename(out)
        raise UserError(f"--out {out} cannot be replaced ({error.strerror}): name another folder") from error
