"""Raw collections: what `--source NAME=PATH` finds, by the layout NAME.

`layouts` holds the layouts, `filesystem` opens folders and zips, `tables` reads tables, `vocabulary` knows the words
that people use, `provenance` says where published collections come from.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cxr.errors import UserError
from cxr.schema.dataset import PHANTOM
from dataset_script.collections.interpretation import Interpretation, parse_columns, parse_labels
from dataset_script.collections.layouts import (
    before_covid,
    catalogue,
    class_folders,
    covid_archives,
    covidx,
    cxnet,
    folder,
    hub,
    metadata,
    phantom,
    table,
)
from dataset_script.collections.patients import find_changes
from dataset_script.records import Collection, Records

LAYOUTS: dict[str, Callable[[str, Interpretation], Collection]] = {
    "folder": folder.collect,
    "table": table.collect,
    **{name: partial(metadata.collect, name) for name in metadata.LAYOUTS},
    "covidx": covidx.collect,
    **{name: partial(class_folders.collect, name) for name in class_folders.LAYOUTS},
    "cxnet": cxnet.collect,
    **{name: partial(catalogue.collect, name, entry) for name, entry in covid_archives.CATALOGUES.items()},
    **{name: partial(catalogue.collect, name, entry) for name, entry in before_covid.CATALOGUES.items()},
    "hub": hub.collect,
    PHANTOM: phantom.collect,
}
"""By name, a function from a path to what lies there."""


def parse(argument: str) -> tuple[str, str]:
    """Split `NAME=PATH`.

    Raises:
        UserError: if it has another form or names no layout that we know.
    """
    layout, equals, path = argument.partition("=")
    if not equals or not path or layout not in LAYOUTS:
        raise UserError(f"--source {argument}: expected NAME=PATH with NAME one of {', '.join(LAYOUTS)}")
    return layout, path


def interpret(labels: Sequence[str], columns: Sequence[str]) -> Interpretation:
    """How values and columns are read, given the arguments of `--label` and `--column`.

    Raises:
        UserError: if one of them has another form.
    """
    return Interpretation(parse_labels(labels), parse_columns(columns))


def collect(
    arguments: Sequence[str], cache: Path | None = None, interpretation: Interpretation | None = None
) -> Collection:
    """Gather the records of every `NAME=PATH`, in an order that depends only on what they are.

    `cache` is a folder for what has to be downloaded, by default the user's own; `interpretation` holds what the user
    says of values and columns, and is given how each was read.

    Raises:
        UserError: if a source is malformed, missing or empty, or if two of them name the same file of one collection.
    """
    interpretation = Interpretation() if interpretation is None else interpretation
    merged = Collection()
    given_by: dict[str, str] = {}
    for argument in sorted(arguments):
        layout, path = parse(argument)
        part = hub.collect(path, interpretation, cache) if layout == "hub" else LAYOUTS[layout](path, interpretation)
        sources = {record.source for record in part.records}
        for source in sorted(sources & given_by.keys()):
            _check_apart(merged, part, source, argument, given_by[source])
        merged.extend(part)
        merged.layouts.setdefault(layout, set()).update(sources)
        given_by |= dict.fromkeys(sources, argument)
    _unify_patients(merged.records)
    interpretation.check_labels_occur()
    merged.records.sort()
    merged.refusals.sort(key=lambda refusal: (refusal.source, refusal.file, refusal.reason))
    return merged


def _unify_patients(records: Records) -> None:
    """Replace the ids that name no patient, and those that are spelt in several ways."""
    changes = find_changes(list(records.patients()))
    if any(changes.values()):
        records.replace_patients(lambda source, patient_id: changes.get(source, {}).get(patient_id, patient_id))


def _check_apart(merged: Collection, part: Collection, source: str, argument: str, other: str) -> None:
    """Make sure that all of a part's files of a collection are new, where an earlier argument has given some of it."""
    before = {record.file for record in merged.records if record.source == source}
    twice = next((record.file for record in part.records if record.source == source and record.file in before), None)
    if twice is not None:
        raise UserError(
            f"--source {argument} and --source {other} both hold {twice} of a collection called {source!r}: "
            "give each once, or rename one"
        )
