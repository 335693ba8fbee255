"""Several images on the page: a table that grows row by row, and the same rows as a CSV file.

The CSV is part of the page, as a `data:` address, so that no file is left on the server.
"""

import base64
import csv
import io
from collections import Counter
from collections.abc import Sequence
from html import escape

from cxr.policy import numbers
from cxr.schema.verdicts import DISCLAIMER, REFUSED
from cxr.serving.answer import COLUMNS, Answer, FileAnswer, Value
from cxr.serving.model_info import ModelInfo
from cxr.serving.web.answer_card import THRESHOLD_SENTENCE, TONES, model_source, title, warning
from cxr.serving.web.pages import as_sentence

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NO_ANSWER = "no answer"
_UNREADABLE = ("unreadable", "✕")


def working(total: int) -> str:
    """The card above the table until it is complete; a screen reader announces it once, and not every row."""
    return f"""<div class="card working"><h2>Answering {total} images</h2>
<p>One at a time, in the table below. {escape(DISCLAIMER)}</p></div>"""


def rows(answers: Sequence[FileAnswer], total: int) -> str:
    """The progress, and a row for every image answered so far."""
    progress = f"{len(answers)} of {total}"
    growing = " growing" if len(answers) < total else ""
    body = "".join(_row(answer) for answer in answers)
    return f"""<section class="card batch{growing}" aria-label="Answers, one row per image">
<p class="progress"><progress value="{len(answers)}" max="{total}" aria-label="Images answered: {progress}"></progress>
<span>{progress}</span></p>
<table><thead><tr><th scope="col">File</th><th scope="col">Verdict</th><th scope="col">Probability</th>
<th scope="col">Remarks</th></tr></thead><tbody>{body}</tbody></table></section>"""


def _row(row: FileAnswer) -> str:
    """On a phone, where a row becomes a block, `data-label` names the cell."""
    verdict = row.answer.verdict if row.answer else _NO_ANSWER
    tone, mark = TONES.get(verdict, _UNREADABLE)
    probability, remark = _probability_and_remark(row.answer) if row.answer else ("–", as_sentence(row.error))
    return f"""<tr class="{tone}"><th scope="row">{escape(row.file)}</th>
<td><span class="mark" aria-hidden="true">{mark}</span> {escape(title(verdict))}</td>
<td data-label="Probability">{probability}</td><td>{escape(remark)}</td></tr>"""


def _probability_and_remark(answer: Answer) -> tuple[str, str]:
    """The probability, with enough digits to tell it from the threshold, and zone, reason and warning."""
    if answer.verdict == REFUSED:
        return "–", answer.why
    probability = numbers(answer.probability, answer.threshold).split()[1]
    if not answer.why and not answer.warning:
        return probability, title(answer.where)
    evidence = f"Evidence: {answer.where}." if answer.where else ""
    parts = (answer.why, evidence, answer.warning)
    return probability, " ".join(part for part in parts if part)


def summary(answers: Sequence[FileAnswer], model: ModelInfo, shift: str = "") -> str:
    """The card above the complete table: counts, the CSV, and what must stand beside every answer.

    `shift` says that the images differ from those of validation, where they do.
    """
    verdicts = Counter(row.answer.verdict if row.answer else _NO_ANSWER for row in answers)
    counts = "".join(_count(verdict, verdicts[verdict]) for verdict in (*TONES, _NO_ANSWER) if verdicts[verdict])
    return f"""<div class="card done"><h2>{len(answers)} images answered</h2><ul class="counts">{counts}</ul>
{warning(shift)}{_threshold(answers)}<p><a class="download" download="answers.csv"
 href="data:text/csv;charset=utf-8;base64,{_csv(answers)}">Download the table as CSV</a></p>
<p class="disclaimer">{escape(DISCLAIMER)}</p><footer>{model_source(model)}</footer></div>"""


def _threshold(answers: Sequence[FileAnswer]) -> str:
    answer = next((row.answer for row in answers if row.answer), None)
    return f"<p>{THRESHOLD_SENTENCE} Here that is {answer.threshold:.2f}.</p>" if answer else ""


def _count(verdict: str, number: int) -> str:
    tone, mark = TONES.get(verdict, _UNREADABLE)
    shape = f'<span class="mark" aria-hidden="true">{mark}</span>'
    return f'<li class="{tone}">{shape} {number} × {escape(verdict)}</li>'


def _csv(answers: Sequence[FileAnswer]) -> str:
    """The file in base64, with the columns of `predict.py --csv`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows({column: _escape_formula(value) for column, value in row.to_row().items()} for row in answers)
    return base64.b64encode(text.getvalue().encode("utf-8", "replace")).decode()


def _escape_formula(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front: file names can be such text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS_FORMULA) else value
