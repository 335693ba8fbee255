"""Several pictures on the page: a table that grows row by row, and the same rows as a CSV file to keep.

The CSV lies in the page itself, in a `data:` address, so that none is left behind on the server.
"""

import base64
import csv
import io
from collections import Counter
from collections.abc import Sequence
from html import escape

from cxr.labels import DISCLAIMER
from cxr.policy import numbers
from cxr.serving import pages
from cxr.serving.batch import COLUMNS, Row
from cxr.serving.record import Record

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NO_ANSWER = "no answer"


def working(total: int) -> str:
    """The card above the table until the last row is there; it is read out once, the rows below are not."""
    return f"""<div class="card working"><h2>Answering {total} pictures</h2>
<p>One after the other, in the table below. {escape(DISCLAIMER)}</p></div>"""


def rows(done: Sequence[Row], total: int) -> str:
    """How far it is, and a row for every picture answered so far."""
    said = f"{len(done)} of {total}"
    body = "".join(_row(row) for row in done)
    growing = " growing" if len(done) < total else ""
    return f"""<section class="card batch{growing}" aria-label="Answers, one row a picture">
<p class="progress"><progress value="{len(done)}" max="{total}" aria-label="Pictures answered: {said}"></progress>
<span>{said}</span></p>
<table><thead><tr><th scope="col">File</th><th scope="col">Verdict</th><th scope="col">Probability</th>
<th scope="col">Why, or where</th></tr></thead><tbody>{body}</tbody></table></section>"""


def _row(row: Row) -> str:
    tone, mark = pages.TONES[row.answer.verdict] if row.answer else ("unreadable", "✕")
    verdict = row.answer.verdict if row.answer else _NO_ANSWER
    told = numbers(row.answer.probability, row.answer.threshold).removeprefix("probability ") if row.answer else "–"
    return f"""<tr class="{tone}"><th scope="row" data-label="File">{escape(str(row.file))}</th>
<td data-label="Verdict"><span class="mark" aria-hidden="true">{mark}</span> {escape(pages.title(verdict))}</td>
<td data-label="Probability">{escape(told)}</td>
<td data-label="Why, or where">{escape(row.answer.reason if row.answer else pages.said(row.error))}</td></tr>"""


def summary(done: Sequence[Row], record: Record) -> str:
    """The card above the finished table: how many of each, the CSV, and what must stand beside every answer."""
    counted = Counter(row.answer.verdict if row.answer else _NO_ANSWER for row in done)
    counts = "".join(_count(verdict, counted[verdict]) for verdict in (*pages.TONES, _NO_ANSWER) if counted[verdict])
    return f"""<div class="card done"><h2>{len(done)} pictures answered</h2><ul class="counts">{counts}</ul>
<p><a class="download" download="answers.csv" href="data:text/csv;charset=utf-8;base64,{_csv(done)}">Download the table
as CSV</a></p><p class="disclaimer">{escape(DISCLAIMER)}</p><footer>{pages.source(record)}</footer></div>"""


def _count(verdict: str, number: int) -> str:
    tone, mark = pages.TONES.get(verdict, ("unreadable", "✕"))
    shape = f'<span class="mark" aria-hidden="true">{mark}</span>'
    return f'<li class="{tone}">{shape} {number} × {escape(verdict)}</li>'


def _csv(done: Sequence[Row]) -> str:
    """The file in base64: the columns of `predict.py --csv`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows({column: _harmless(value) for column, value in row.to_row().items()} for row in done)
    return base64.b64encode(text.getvalue().encode("utf-8", "replace")).decode()


def _harmless(value: object) -> object:
    """Text that a spreadsheet would run as a formula, led by an apostrophe: files can have such names."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_RUN_BY_SPREADSHEETS) else value
