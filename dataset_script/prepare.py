"""From sources to a dataset on disk: read, find copies, divide, write, check, audit, put in place."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet

from cxr import import_closure
from cxr.patient_key import load_or_make_key, new_key
from dataset_script import collections, reading, report
from dataset_script.audit import inspection
from dataset_script.builder import content_hash
from dataset_script.collections.record import Collection, Refusal
from dataset_script.duplicates import detect
from dataset_script.options import Options
from dataset_script.splits import division
from dataset_script.splits.assignment import EXTERNAL
from dataset_script.splits.external import by_name
from dataset_script.storage import leak_check, writing
from dataset_script.storage.rows import Row, gather, short
from dataset_script.storage.store import Store
from dataset_script.storage.workspace import Workspace, digest_of, workspace

_CODE = "dataset_script/prepare.py"

NO_KEY = (
    "no --patient_key: the pseudonyms of DICOM patients and files cannot be joined to those of another run, and the "
    "next run that reads them divides them anew"
)


def prepare(options: Options) -> dict:
    """Build the dataset of Contract 1 in `options.out`, and its external sets below it; returns its report.

    Raises:
        UserError: if a source is at fault, a class is missing, no picture can be read, or `out` holds something else.
    """
    options = replace(options, out=options.out.expanduser().resolve())
    for argument in options.sources:
        collections.parse(argument)
    with workspace(options.out) as place:
        found = collections.collect(options.sources, place.cache)
        division.check_classes([record.label for record in found.records], found.refusals)
        digest = _digest(found, options)
        if place.is_unchanged(digest):
            print(f"nothing has changed since {options.out} was prepared", file=sys.stderr)
            return json.loads((options.out / "report.json").read_text(encoding="utf-8"))
        with Store(place.cache) as store:
            result = _build(found, options, place, store)
        place.remember(digest)
    return result


def _digest(found: Collection, options: Options) -> str:
    settings = [
        options.image_size,
        options.seed,
        options.duplicates,
        sorted(options.external),
        _public(options.sources),
    ]
    refusals = [str(refusal) for refusal in found.refusals]
    return digest_of(
        content_hash(found.records), refusals, settings, str(options.patient_key), import_closure.digest(_CODE)
    )


def _build(found: Collection, options: Options, place: Workspace, store: Store) -> dict:
    external = by_name(options.external, found.layouts)
    print(f"reading {len(found.records):,} pictures of {len(options.sources)} source(s)", file=sys.stderr)
    settings = reading.Settings(options.image_size, _key(options))
    numbers, unreadable = reading.read_all(found.records, settings, options.num_proc, store)
    refusals, licences = [*found.refusals, *unreadable], found.licences
    rows = gather(found.records, numbers, store, set().union(*external.values()))
    if options.patient_key is None and any(row.format == "DICOM" for row in rows):
        print(NO_KEY, file=sys.stderr)
    division.check_classes([row.label for row in rows if row.predefined != EXTERNAL], refusals)
    print(f"searching {len(rows):,} pictures for copies", file=sys.stderr)
    alike = detect.find(rows, store, options.num_proc)
    divided = division.divide(rows, alike.clusters, options.seed, options.duplicates)
    refusals += divided.refusals
    result = _stage(rows, refusals, divided.lists, licences, options, place, store)
    if options.audit:
        alike.draw(place.staged / writing.PICTURES)
    for name, members in external.items():
        _stage_external(name, members, rows, refusals, licences, options, place, store)
        writing.put_in_place(place.staged / EXTERNAL / name, options.out / EXTERNAL / name)
    writing.put_in_place(place.staged, options.out)
    writing.remove_externals(options.out, keep=external)
    store.keep_only(row.number for row in rows)
    return result


def _key(options: Options) -> bytes:
    return load_or_make_key(options.patient_key, options.out) if options.patient_key else new_key()


def _stage(
    rows: Sequence[Row],
    refusals: Sequence[Refusal],
    lists: dict,
    licences: Counter,
    options: Options,
    place: Workspace,
    store: Store,
) -> dict:
    kept = [row for row in rows if row.split and row.split != EXTERNAL]
    lists = lists | {"moves": division.moves(kept, _before(options))}
    settings = {"image_size": options.image_size, "seed": options.seed, "sources": _public(options.sources)}
    settings |= {"copies": options.duplicates, "external": sorted(options.external)}
    print(f"writing {len(kept):,} of them to {options.out}", file=sys.stderr)
    writing.write_shards(kept, store, place.staged)
    clusters = {row.name: row.cluster for row in kept if row.cluster is not None}
    leak_check.check(place.staged, writing.shards_in(place.staged), clusters)
    result = report.compose(kept, refusals, lists, settings, licences)
    if options.audit:
        result["audit"] = inspection.inspect(kept, place.staged, options.seed, options.num_proc)
    writing.write_report(result, place.staged)
    return result


def _stage_external(
    name: str,
    collections: set[str],
    rows: Iterable[Row],
    refusals: Iterable[Refusal],
    licences: Counter,
    options: Options,
    place: Workspace,
    store: Store,
) -> None:
    """An external set: a dataset of its own, all in split `test`."""
    kept = [row for row in rows if row.split == EXTERNAL and row.source in collections]
    for row in kept:
        row.split = "test"
    mine = [refusal for refusal in refusals if refusal.source in collections]
    terms = Counter({key: count for key, count in licences.items() if key[0] in collections})
    settings = {"image_size": options.image_size, "seed": options.seed, "sources": [name], "external": [name]}
    staged = place.staged / EXTERNAL / name
    writing.write_shards(kept, store, staged)
    empty = {key: [] for key in ("duplicates", "conflicts", "straddling", "moves")}
    writing.write_report(report.compose(kept, mine, empty, settings, terms), staged)


def _public(arguments: Sequence[str]) -> list[str]:
    """The sources as given, less the folders above them: reports are published."""
    pairs = (collections.parse(argument) for argument in arguments)
    return sorted(f"{layout}={path if layout == 'hub' else Path(path).resolve().name}" for layout, path in pairs)


def _before(options: Options) -> dict[int, str]:
    """The splits of the dataset in `out`, by the short form of files' hashes; of one with another seed, nothing."""
    try:
        old = json.loads(writing.live_report(options.out).read_text(encoding="utf-8"))
        if old["seed"] != options.seed:
            return {}
        found = {}
        for split, names in writing.live(options.out).items():
            for name in names:
                for batch in pyarrow.parquet.ParquetFile(options.out / name).iter_batches(columns=["sha256"]):
                    found |= dict.fromkeys(map(short, batch[0].to_pylist()), split)
        return found
    except (OSError, ValueError, LookupError, TypeError):
        return {}
