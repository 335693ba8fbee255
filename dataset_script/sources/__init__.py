"""One module a layout, each with `collect`; `--source NAME=PATH` names the layout."""

from collections.abc import Callable, Sequence

from cxr.cli import UserError
from dataset_script.record import Collection
from dataset_script.sources import folder, ieee8023, phantom, table

LAYOUTS: dict[str, Callable[[str], Collection]] = {
    "folder": folder.collect,
    "ieee8023": ieee8023.collect,
    "phantom": phantom.collect,
    "table": table.collect,
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


def collect(arguments: Sequence[str]) -> Collection:
    """Gather the records of every `NAME=PATH`, in an order that depends on nothing but what they are.

    Raises:
        UserError: if a source is malformed, missing or empty, or if two of them name the same file of one collection.
    """
    merged, owner = Collection(), {}
    for argument in sorted(arguments):
        layout, path = parse(argument)
        found = LAYOUTS[layout](path)
        for record in found.records:
            if owner.setdefault((record.source, record.file), argument) is not argument:
                raise UserError(
                    f"--source {argument} and --source {owner[record.source, record.file]} both hold "
                    f"{record.file} of a collection called {record.source!r}: give each once, or rename one"
                )
        merged.extend(found)
    merged.records.sort(key=lambda record: (record.source, record.file))
    merged.refusals.sort(key=lambda refusal: (refusal.source, refusal.file, refusal.reason))
    return merged
