"""From collections to a dataset on disk: read, find near-duplicates, divide, write, check, audit, put in place."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr.import_closure import code_digest
from cxr.patient_key import load_or_make_key, new_key
from cxr.schema.dataset import EXTERNAL, SPLITS, Split
from cxr.schema.dataset_card import REPORT
from cxr.schema.report import Audit, Counts, Report
from dataset_script import collections
from dataset_script.card import write_card
from dataset_script.collections.interpretation import FIELDS, Interpretation
from dataset_script.duplicates.search import SIMILARITY_CODE, NearDuplicates, find_near_duplicates, load_pixels
from dataset_script.reading import CODE, Settings, read_all
from dataset_script.records import Collection, Refusal, Row, Rows
from dataset_script.report import Contents, compose_report
from dataset_script.splits import Division, check_classes, divide, find_external, list_moves
from dataset_script.storage.parquet import check_for_leaks, read_splits, write_shards
from dataset_script.storage.store import Store
from dataset_script.storage.workspace import REVIEW, Workspace, open_workspace

_CODE = "dataset_script/prepare.py"

NO_KEY = (
    "no --patient_key: the pseudonyms of DICOM patients and files cannot be joined to those of another run, and the "
    "next run that reads them divides them anew"
)


@dataclass(frozen=True)
class Options:
    """The settings of one run; `__main__` documents each."""

    sources: Sequence[str]
    out: Path
    image_size: int = 256
    seed: int = 0
    num_proc: int = 1
    duplicates: str = "drop"
    external: Sequence[str] = ()
    patient_key: Path | None = None
    audit: bool = True
    labels: Sequence[str] = ()
    columns: Sequence[str] = ()


def prepare(options: Options) -> Report:
    """Build the dataset of Contract 1 in `options.out`, and its external sets below it; returns its report.

    Raises:
        UserError: if a source is at fault, a class is missing, no image can be read, or `out` holds something else.
    """
    options = replace(options, out=options.out.expanduser().resolve())
    for argument in options.sources:
        collections.parse(argument)
    interpretation = collections.interpret(options.labels, options.columns)
    with open_workspace(options.out) as place:
        collection = collections.collect(options.sources, place.cache, interpretation)
        _warn(interpretation)
        check_classes([record.label for record in collection.records], collection.refusals)
        digest = _digest(collection, options)
        if place.is_unchanged(digest):
            print(f"nothing has changed since {options.out} was prepared", file=sys.stderr)
            return json.loads((options.out / REPORT).read_text(encoding="utf-8"))
        with Store(place.cache) as store:
            report = Preparation(options, collection, interpretation, place, store).run()
        place.remember(digest)
    return report


def _warn(interpretation: Interpretation) -> None:
    """Name the columns that are not read though they look as if they mattered."""
    for table, columns in sorted(interpretation.unused.items()):
        if columns:
            names = ", ".join(columns)
            print(
                f"warning: {table}: the columns {names} are not used; --column FIELD=NAME says what one holds "
                f"({', '.join(FIELDS)})",
                file=sys.stderr,
            )


def _digest(collection: Collection, options: Options) -> str:
    """A hash of everything that the outcome of a run depends on."""
    parts = [
        collection.records.digest(),
        [str(refusal) for refusal in collection.refusals],
        [options.image_size, options.seed, options.duplicates, options.audit, sorted(options.external)],
        _public(options.sources),
        [*options.labels, *options.columns],
        str(options.patient_key),
        code_digest(_CODE),
    ]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "replace")).hexdigest()


def _public(arguments: Sequence[str]) -> list[str]:
    """The sources as given, without the folders above them: reports are published."""
    pairs = (collections.parse(argument) for argument in arguments)
    return sorted(f"{layout}={path if layout == 'hub' else Path(path).resolve().name}" for layout, path in pairs)


@dataclass(frozen=True)
class Divided:
    """All rows that were read, and what became of them; `refusals` holds everything that was left out."""

    rows: Rows
    near_duplicates: NearDuplicates
    division: Division
    refusals: list[Refusal]

    def where(self, split: str) -> list[Row]:
        """The rows of a split, or those of all external sets."""
        return [row for row, given in zip(self.rows, self.division.splits, strict=True) if given == split]

    def clusters_by_name(self) -> dict[str, int]:
        """The number of the cluster of each image that has near-duplicates."""
        clusters = enumerate(self.near_duplicates.clusters)
        return {self.rows[position].name: number for number, cluster in clusters for position in cluster}


@dataclass(frozen=True)
class Preparation:
    """One run: what it was asked for, what its collections hold, and where it keeps its files."""

    options: Options
    collection: Collection
    interpretation: Interpretation
    place: Workspace
    store: Store

    def run(self) -> Report:
        """Prepare the dataset and its external sets and put them in place; returns the dataset's report."""
        external = find_external(self.options.external, self.collection.layouts)
        divided = self._divide(set().union(*external.values()))
        report = self._stage(divided)
        for name, sources in external.items():
            self._stage_external(name, sources, divided)
        self.place.put_in_place(external)
        self.store.keep_only([row.number for row in divided.rows])
        return report

    def _divide(self, external: set[str]) -> Divided:
        """Read every image, find near-duplicates, and decide the splits; `external` names collections."""
        options, records = self.options, self.collection.records
        key = load_or_make_key(options.patient_key, options.out) if options.patient_key else new_key()
        print(f"reading {len(records):,} images of {len(options.sources)} source(s)", file=sys.stderr)
        settings = Settings(options.image_size, key, code_digest(*CODE))
        rows, unreadable = read_all(records, settings, self.store, num_proc=options.num_proc, external=external)
        refusals = [*self.collection.refusals, *unreadable]
        if options.patient_key is None and any(row.format == "DICOM" for row in rows):
            print(NO_KEY, file=sys.stderr)
        check_classes([row.label for row in rows if row.predefined != EXTERNAL], refusals)  # before the long search
        print(f"searching {len(rows):,} images for near-duplicates", file=sys.stderr)
        known = self.store.similarities(code_digest(*SIMILARITY_CODE))
        near_duplicates = find_near_duplicates([row.number for row in rows], self.store, known, options.num_proc)
        division = divide(rows, near_duplicates.clusters, options.seed, options.duplicates)
        return Divided(rows, near_duplicates, division, [*refusals, *division.refusals])

    def _stage(self, divided: Divided) -> Report:
        """Write the dataset to a folder of its own, check and audit it there; returns its report."""
        options, folder = self.options, self.place.staged
        splits = {split: divided.where(split) for split in SPLITS}
        print(f"writing {sum(map(len, splits.values())):,} of them to {options.out}", file=sys.stderr)
        shards = write_shards(splits, self.store, folder)
        check_for_leaks(folder, shards, divided.clusters_by_name())
        settings = {
            "image_size": options.image_size,
            "seed": options.seed,
            "sources": _public(options.sources),
            "copies": options.duplicates,
            "external": sorted(options.external),
        }
        moves = list_moves(divided.rows, divided.division.splits, read_splits(options.out, options.seed))
        licences, groups = self.collection.licences, divided.division.groups
        contents = Contents(splits, divided.refusals, licences, settings, groups, moves, self.interpretation)
        report = compose_report(contents)
        if options.audit:
            report["audit"] = self._audit(divided, report["counts"])
        write_card(report, shards, folder)
        return report

    def _stage_external(self, name: str, sources: set[str], divided: Divided) -> None:
        """Write an external set: a dataset of its own, all in split `test`."""
        folder = self.place.staged / EXTERNAL / name
        splits: dict[Split, list[Row]] = {"test": [row for row in divided.where(EXTERNAL) if row.source in sources]}
        refusals = [refusal for refusal in divided.refusals if refusal.source in sources]
        licences = Counter({key: count for key, count in self.collection.licences.items() if key[0] in sources})
        settings = {
            "image_size": self.options.image_size,
            "seed": self.options.seed,
            "sources": [name],
            "external": [name],
        }
        shards = write_shards(splits, self.store, folder)
        contents = Contents(splits, refusals, licences, settings, interpretation=self.interpretation.only(sources))
        write_card(compose_report(contents), shards, folder)

    def _audit(self, divided: Divided, counts: Counts) -> Audit:
        """Audit the staged dataset and draw its review pages; returns the report's section."""
        # Imported here, because these imports take seconds.
        from dataset_script.audit.audit import audit_dataset, find_masks
        from dataset_script.audit.review import draw_audit, draw_pairs, draw_sheets, draw_split_table

        options, rows, staged = self.options, divided.rows, self.place.staged
        masks = find_masks({row.name: row.mask for row in rows if row.mask})
        section = audit_dataset(staged, masks=masks, seed=options.seed, num_proc=options.num_proc)
        draw_sheets(staged, staged / REVIEW)
        draw_split_table(staged / REVIEW / "split_table.png", counts)
        draw_audit(staged / REVIEW / "audit.png", section)
        draw_pairs(
            divided.near_duplicates.pairs,
            lambda position: load_pixels(self.store, rows[position].number),
            [row.name for row in rows],
            staged / REVIEW,
        )
        return section
