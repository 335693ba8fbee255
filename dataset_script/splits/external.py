"""`--external NAME`: which collections become external test sets, datasets of their own."""

from collections.abc import Mapping, Sequence

from cxr.errors import UserError


def by_name(names: Sequence[str], layouts: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The collections that each NAME stands for: one called so, or all those that a layout of that name found.

    Raises:
        UserError: if there is no such collection, or one is named twice.
    """
    collections = set().union(*layouts.values())
    found: dict[str, set[str]] = {}
    for name in dict.fromkeys(names):
        chosen = {name} if name in collections else layouts.get(name, set())
        if not chosen:
            raise UserError(f"--external {name}: no such collection; there are {', '.join(sorted(collections))}")
        if any(chosen & others for others in found.values()):
            raise UserError(f"--external {name} names a collection that another --external names too: give it once")
        found[folder_name(name)] = chosen
    return found


def folder_name(name: str) -> str:
    """The name as a folder's: collections of the Hub have a slash in theirs."""
    return name.replace("/", "--").lstrip(".") or "external"
