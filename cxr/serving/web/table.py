"""Several pictures on the page: a table that grows row by row, and the same rows as a CSV file to keep.

The CSV lies in the page itself, in a `data:` address, so that none is left behind on the server.
"""

import base64
import csv
import io
from collections import Counter
from collections.abc import Sequence
from html import escape

from cxr.policy import numbers
from cxr.schema.verdicts import DISCLAIMER, REFUSED
from cxr.serving.answer import Answer
from cxr.serving.batch import COLUMNS, Row
from cxr.serving.model_info import Record
from cxr.serving.web import pages

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NO_ANSWER = "no answer"
_UNREADABLE = ("unreadable", "✕")


def working(total: int) -> str:
    """The card above the table until the last row is there; it is read out once, the rows below are not."""
    return f"""<div class="card working"><h2>Answering {total} pictures</h2>
<p>One after the other, in the table below. {escape(DISCLAIMER)}</p></div>"""


def rows(done: Sequence[Row], total: int) -> str:
    """How far it is, and a row for every picture answered so far."""
    said = f"{len(done)} of {total}"
    growing = " growing" if len(done) < total else ""
    body = "".join(_row(row) for row in done)
    return f"""<section class="card batch{growing}" aria-label="Answers, one row a picture">
<p class="progress"><progress value="{len(done)}" max="{total}" aria-label="Pictures answered: {said}"></progress>
<span>{said}</span></p>
<table><thead><tr><th scope="col">File</th><th scope="col">Verdict</th><th scope="col">Probability</th>
<th scope="col">Evidence strongest in, or why not</th></tr></thead><tbody>{body}</tbody></table></section>"""


def _row(row: Row) -> str:
    """On a phone, where a row becomes a block, the cells are led by their `data-label`."""
    tone, mark = pages.TONES[row.answer.verdict] if row.answer else _UNREADABLE
    verdict = row.answer.verdict if row.answer else _NO_ANSWER
    probability, told = _told(row.answer) if row.answer else ("–", pages.said(row.error))
    return f"""<tr class="{tone}"><th scope="row">{escape(str(row.file))}</th>
<td><span class="mark" aria-hidden="true">{mark}</span> {escape(pages.title(verdict))}</td>
<td data-label="Probability">{probability}</td><td>{escape(told)}</td></tr>"""


def _told(answer: Answer) -> tuple[str, str]:
    """The probability alone, with as many digits as tell it from the threshold, and what there is to say of it."""
    if answer.verdict == REFUSED:
        return "–", answer.why
    probability = numbers(answer.probability, answer.threshold).split()[1]
    if not answer.why and not answer.warning:
        return probability, pages.title(answer.where)
    return probability, " ".join(said for said in (answer.why, f"Evidence: {answer.where}.", answer.warning) if said)


def summary(done: Sequence[Row], record: Record) -> str:
    """The card above the finished table: how many of each, the CSV, and what must stand beside every answer."""
    counted = Counter(row.answer.verdict if row.answer else _NO_ANSWER for row in done)
    counts = "".join(_count(verdict, counted[verdict]) for verdict in (*pages.TONES, _NO_ANSWER) if counted[verdict])
    return f"""<div class="card done"><h2>{len(done)} pictures answered</h2><ul class="counts">{counts}</ul>
{_threshold(done)}<p><a class="download" download="answers.csv"
 href="data:text/csv;charset=utf-8;base64,{_csv(done)}">Download the table as CSV</a></p>
<p class="disclaimer">{escape(DISCLAIMER)}</p><footer>{pages.source(record)}</footer></div>"""


def _threshold(done: Sequence[Row]) -> str:
    answered = next((row.answer for row in done if row.answer), None)
    return f"<p>{pages.ABOVE} Here that is {answered.threshold:.2f}.</p>" if answered else ""


def _count(verdict: str, number: int) -> str:
    tone, mark = pages.TONES.get(verdict, _UNREADABLE)
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
