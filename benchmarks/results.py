"""The results of `benchmarks/bench.py` as a Markdown page, as JSON, and as one chart of ratios against targets."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure as Chart
from rows.record import Line, line_from

from cxr.markdown import Markdown, table

PAGE, FILE, CHART = "RESULTS.md", "results.json", "results.png"
_COLOURS = {"met": "tab:green", "missed": "tab:red", "measured": "tab:gray"}
_INCHES_PER_LINE = 0.32
_LONGEST = 80
"""Characters."""

_OF_ONE_RUN = ("date", "matrix product", "load at the start")
"""Facts that differ between two runs on one machine."""


class Measured(NamedTuple):
    """The lines of a row, and the command that repeats it."""

    lines: list[Line]
    command: str


def write(folder: Path, facts: Mapping[str, str], measured: Sequence[Measured]) -> None:
    """Write all three."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for row in measured for line in row.lines]
    rows = [_as_json(line, row.command) for row in measured for line in row.lines]
    content = {"machine": dict(facts), "rows": rows}
    (folder / FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page(facts, measured), encoding="utf-8")
    _draw(lines).savefig(folder / CHART, dpi=100)


def measured_before(folder: Path, facts: Mapping[str, str]) -> dict[str, Measured]:
    """The rows in a folder by name; none if they are of another machine, commit or set of packages."""
    if not (folder / FILE).is_file():
        return {}
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    if any(content["machine"].get(name) != facts[name] for name in facts if name not in _OF_ONE_RUN):
        return {}
    found: dict[str, Measured] = {}
    for row in content["rows"]:
        found.setdefault(row["row"], Measured([], row["command"])).lines.append(line_from(row))
    return found


def page(facts: Mapping[str, str], measured: Sequence[Measured]) -> str:
    """The Markdown page: results with targets, then reasons and prices, then the machine."""
    lines = [line for row in measured for line in row.lines]
    verdicts = [line.verdict for line in lines]
    count = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(sorted(verdicts)))
    results = [
        [*_names(line), _demanded(line), _value(line), _spread(line), Markdown(f"**{line.verdict}**")] for line in lines
    ]
    behind = [[_names(line)[0], line.row, _said(line), _reason(line), _price(line)] for line in lines]
    parts = [
        "# Results\n\nWritten by `make bench` (`python benchmarks/bench.py --out benchmarks`): this project and a peer "
        "took turns in one run, on the same files. A ratio is that of medians, the spread that of single rounds. "
        f"Ratios are comparable between machines, times are not. {count}.",
        f"![Each value divided by its target]({CHART})",
        table(["work", "peer in the same run", "target", "measured", "spread", "verdict"], results),
        "## What is behind each value",
        table(["work", "row", "measured", "where the time goes, if missed", "numerical price"], behind),
        "## Commands",
        table(["row", "command"], [[row.lines[0].row, Markdown(f"`{row.command}`")] for row in measured]),
        "## Machine",
        table(["fact", "value"], [list(item) for item in facts.items()]),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _as_json(line: Line, command: str) -> dict[str, object]:
    found = {"verdict": line.verdict, "bound": line.bound, "command": command}
    return dataclasses.asdict(line) | found


def _names(line: Line) -> tuple[Markdown, Markdown]:
    return Markdown(line.target.work), Markdown(line.target.peer)


def _demanded(line: Line) -> str:
    if line.bound is None:
        return "none"
    return f"at {'least' if line.target.at_least else 'most'} {_number(line.bound, line.target.unit)}"


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".strip() if unit else f"{value:.2f}"


def _value(line: Line) -> str:
    return _number(line.figure.value, line.target.unit) if line.figure else ""


def _spread(line: Line) -> str:
    if line.figure is None or line.figure.spread is None:
        return "one run" if line.figure else ""
    return " to ".join(_number(end, line.target.unit) for end in line.figure.spread)


def _said(line: Line) -> str:
    return line.figure.said if line.figure else line.problem


def _reason(line: Line) -> str:
    return line.figure.reason if line.figure and line.verdict == "missed" else ""


def _price(line: Line) -> str:
    return line.figure.price if line.figure else ""


def _draw(lines: Sequence[Line]) -> Chart:
    """How many times better than its target each value is, on a logarithmic axis: to the right of 1 it is met."""
    drawn = [(line, better) for line in lines if (better := _times_better(line)) is not None]
    chart = Chart(figsize=(11, 1.2 + _INCHES_PER_LINE * max(1, len(drawn))), layout="constrained")
    axes = chart.add_subplot()
    names = [f"{_short(line)}: {_value(line)} ({_demanded(line)})" for line, _ in drawn]
    axes.barh(
        range(len(drawn)),
        [better - 1 for _, better in drawn],
        left=1,
        color=[_COLOURS[line.verdict] for line, _ in drawn],
    )
    axes.set_yticks(range(len(drawn)), names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("times better than its target (left of 1: missed)")
    return chart


def _short(line: Line) -> str:
    """Work and peer, as far as a chart has room for them."""
    text = f"{line.target.work} / {line.target.peer}".replace("`", "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _times_better(line: Line) -> float | None:
    """Only where both the value and the target are above 0."""
    if line.figure is None or not line.bound or line.bound <= 0 or line.figure.value <= 0:
        return None
    return line.figure.value / line.bound if line.target.at_least else line.bound / line.figure.value
