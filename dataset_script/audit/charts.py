"""Plots of the report: the probes with their intervals, and who stands in which split."""

import textwrap
from pathlib import Path

import matplotlib as mpl

from cxr.schema.dataset import SPLITS
from cxr.schema.labels import LABELS
from cxr.schema.probes import FLAG_AUROC

mpl.use("Agg")
from matplotlib import pyplot as plt

_LOUD, _QUIET = "#b3372b", "#5b7f95"


def audit(path: Path, section: dict) -> Path:
    """AUROC of every probe of an audit's section as a bar with its interval, and the line from which it shouts."""
    found = section["probes"]
    figure, axis = plt.subplots(figsize=(9.5, 1.6 + 0.62 * len(found)), layout="constrained")
    for place, probe in enumerate(found):
        _bar(axis, place, probe)
    axis.axvline(0.5, color="black", linewidth=1)
    axis.axvline(FLAG_AUROC, color=_LOUD, linestyle="--", linewidth=1)
    for at, says in ((0.5, "chance"), (FLAG_AUROC, f"shouts from {FLAG_AUROC:.2f}")):
        axis.annotate(says, (at, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9)
    axis.set_yticks(range(len(found)), [textwrap.fill(probe["what"], 46) for probe in found], fontsize=9)
    axis.set(
        xlim=(0, 1.12), ylim=(len(found) - 0.4, -0.6), xlabel="AUROC on the test split, 95 % interval over patients"
    )
    axis.set_xticks([tick / 10 for tick in range(11)])
    figure.suptitle(textwrap.fill(section["verdict"], 100), fontsize=10)
    return _save(figure, path)


def _bar(axis: plt.Axes, place: int, probe: dict) -> None:
    if probe["auroc"] is None:
        axis.annotate(f"not tested: {probe['note']}", (0.02, place), va="center", fontsize=9)
        return
    auroc, low, high = probe["auroc"], probe["low"], probe["high"]
    axis.barh(place, auroc, height=0.55, color=_LOUD if probe["shouts"] else _QUIET, alpha=0.8)
    axis.errorbar(auroc, place, xerr=[[auroc - low], [high - auroc]], color="black", capsize=4, linewidth=1.2)
    axis.annotate(f"{auroc:.2f}", (1.03, place), va="center", fontsize=10)


def split_table(path: Path, counts: dict[str, dict[str, dict[str, int]]]) -> Path:
    """Images by source, class and split as a table; `counts` is the report's: source → label → split → images."""
    cells = [
        [
            source.replace("$", r"\$"),
            label,
            *(f"{labels[label][split]:,}" for split in SPLITS),
            f"{sum(labels[label].values()):,}",
        ]
        for source, labels in counts.items()
        for label in LABELS
    ]
    columns = [sum(labels[label][split] for labels in counts.values() for label in LABELS) for split in SPLITS]
    cells.append(["all", "", *(f"{total:,}" for total in columns), f"{sum(columns):,}"])
    figure, axis = plt.subplots(figsize=(5.6, 0.3 * (len(cells) + 1)))
    axis.axis("off")
    table = axis.table(cells, colLabels=["source", "class", *SPLITS, "all"], loc="center", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    table.scale(1, 1.5)
    table.auto_set_column_width(list(range(len(cells[0]))))
    return _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path
