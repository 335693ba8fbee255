"""The layouts, each a function from a path to a `Collection`; `--source NAME=PATH` names the layout."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cxr.cli import UserError
from dataset_script.record import Collection
from dataset_script.sources import covidx, cxnet, folder, hub, metadata, phantom, radiography, table

LAYOUTS: dict[str, Callable[[str], Collection]] = {
    "folder": folder.collect,
    "table": table.collect,
    **{name: partial(metadata.collect, name) for name in metadata.LAYOUTS},
    "covidx": covidx.collect,
    "radiography": radiography.collect,
    "cxnet": cxnet.collect,
    "hub": hub.collect,
    "phantom": phantom.collect,
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
    merged, owner = Collection(), {}
    for argument in sorted(arguments):
        layout, path = parse(argument)
        found = hub.collect(path, cache) if layout == "hub" else LAYOUTS[layout](path)
        for record in found.records:
            if owner.setdefault((record.source, record.file), argument) is not argument:
                raise UserError(
                    f"--source {argument} and --source {owner[record.source, record.file]} both hold "
                    f"{record.file} of a collection called {record.source!r}: give each once, or rename one"
                )
        merged.extend(found)
        merged.layouts.setdefault(layout, set()).update(record.source for record in found.records)
    merged.records.sort(key=lambda record: (record.source, record.file))
    merged.refusals.sort(key=lambda refusal: (refusal.source, refusal.file, refusal.reason))
    return merged
