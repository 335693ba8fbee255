"""Markdown that holds any text: a name taken from a dataset makes no link, image, HTML or cell of its own."""

import html
import re
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)|(?<=[A-Za-z]):(?=//)|(?<=www)\.|@", re.IGNORECASE)
"""What starts emphasis, code, links, images, cells and, in GitHub's dialect, addresses that become links."""


class Markdown(str):
    """Text that is Markdown already."""


def link(title: str, url: str) -> Markdown:
    """A link with any title to an address of our own."""
    return Markdown(f"[{escape(title)}]({url})")


def escape(text: object) -> str:
    """Any text on one line, as it reads; what `Markdown` or `link` made stays as it is."""
    if isinstance(text, Markdown):
        return text
    one_line = html.escape(" ".join(str(text).split()), quote=False)
    return _MARKS.sub(lambda found: f"\\{found[0]}", one_line)


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A GitHub-flavoured Markdown table, without a final newline; cells are converted with `str` and escaped."""
    return "\n".join([_line(header), "|" + "---|" * len(header), *map(_line, rows)])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"
