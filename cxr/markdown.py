"""Markdown tables whose cells can hold any text: a name taken from a dataset cannot break out of its cell."""

import html
from collections.abc import Iterable, Sequence


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A GitHub-flavoured Markdown table, without a final newline; cells are converted with `str`.

    Bars, backslashes, line breaks and HTML in cells are escaped. Inline Markdown, such as a link, still works.
    """
    return "\n".join([_line(header), "|" + "---|" * len(header), *map(_line, rows)])


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(_escaped(str(cell)) for cell in cells) + " |"


def _escaped(text: str) -> str:
    one_line = " ".join(text.split())
    return html.escape(one_line, quote=False).replace("\\", "\\\\").replace("|", "\\|")
