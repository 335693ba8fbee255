"""The layouts, each a function from a path to a `Collection`; `--source NAME=PATH` names the layout."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cxr.errors import UserError
from cxr.schema.dataset import PHANTOM
from dataset_script.collections.layouts import covidx, cxnet, folder, hub, metadata, phantom, radiography, table
from dataset_script.collections.record import Collection

LAYOUTS: dict[str, Callable[[str], Collection]] = {
    "folder": folder.collect,
    "table": table.collect,
    **{name: partial(metadata.collect, name) for name in metadata.LAYOUTS},
    "covidx": covidx.collect,
    "radiography": radiography.collect,
    "cxnet": cxnet.collect,
    "hub": hub.collect,
    PHANTOM: phantom.collect,
}


def parse(argument: str) -> tuple[str, str]:
    """Split `NAME=PATH`.

    Raises:
        UserError: if it has another form or names no layout that we know.
    """
    layout, equals, path = argument.partition("=")
    if not equals or not path or layout not in LAYOUTS:
        raise UserError(f"--source {argument}: expected NAME=PATH with NAME one of {', '.join(LAYOUTS)}")
    return layout, path


def collect(arguments: Sequence[str], cache: Path = Path(".cache")) -> Collection:
    """Gather the records of every `NAME=PATH`, in an order that depends on nothing but what they are.

    `cache` is a folder for what has to be downloaded.

    Raises:
        UserError: if a source is malformed, missing or empty, or if two of them name the same file of one collection.
    """
    merged, holders = Collection(), {}
    for argument in sorted(arguments):
        layout, path = parse(argument)
        found = hub.collect(path, cache) if layout == "hub" else LAYOUTS[layout](path)
        collections = {record.source for record in found.records}
        for source in sorted(collections & holders.keys()):
            _check_apart(merged, found, source, argument, holders[source])
        merged.extend(found)
        merged.layouts.setdefault(layout, set()).update(collections)
        holders |= dict.fromkeys(collections, argument)
    merged.records.sort()
    merged.refusals.sort(key=lambda refusal: (refusal.source, refusal.file, refusal.reason))
    return merged


def _check_apart(merged: Collection, found: Collection, source: str, argument: str, other: str) -> None:
    """Make sure that what is found of a collection is new, where an earlier argument has given some of it."""
    before = {record.file for record in merged.records if record.source == source}
    twice = next((record.file for record in found.records if record.source == source and record.file in before), None)
    if twice is not None:
        raise UserError(
            f"--source {argument} and --source {other} both hold {twice} of a collection called {source!r}: "
            "give each once, or rename one"
        )
