"""One plot of scores each: curves, reliability, confusion, histograms. A panel, or a line, a set."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np

from cxr.schema.labels import COVID, LABELS
from cxr.statistics import bootstrap, metrics
from cxr.statistics.bootstrap import Measure, count_patients
from cxr.training.evaluation.scores import Scores
from cxr.training.reporting import curves

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

SETS = ("#1f5a85", "#c1502e", "#3c8d5a", "#7a4fa3", "#8a6d1f", "#4f4f4f")
"""Colours of test and external sets, in their order."""

CLASSES = ("#5b8db8", "#c1502e")
"""Colours of NON-COVID and COVID."""

MOST_PANELS, _ACROSS = 12, 4
_UNIT = {"xlim": (-0.02, 1.02), "ylim": (-0.02, 1.02)}
_SQUARE = _UNIT | {"aspect": "equal"}
_DOTTED = {"color": "0.6", "linewidth": 1, "linestyle": ":"}


def roc(sets: Mapping[str, Scores], summaries: Mapping[str, dict]) -> Figure:
    """ROC curves with bands; a dot marks the operating point."""
    figure, axis = plt.subplots(figsize=(5.6, 5.6), layout="constrained")
    axis.plot([0, 1], [0, 1], **_DOTTED)
    for colour, (name, scores) in zip(SETS, sets.items(), strict=False):
        found = summaries[name]
        _with_band(axis, curves.roc(scores), colour, _legend(name, "AUROC", "auroc", found))
        axis.plot(1 - found["specificity"], found["sensitivity"], "o", color=colour, markersize=7, mec="white")
    axis.set(xlabel="1 − specificity", ylabel="sensitivity", title="ROC (dots: operating point)", **_SQUARE)
    axis.legend(loc="lower right", fontsize=8.5)
    return figure


def precision_recall(sets: Mapping[str, Scores], summaries: Mapping[str, dict]) -> Figure:
    """Precision–recall curves with bands; a dotted line is what chance gives, the set's share of COVID."""
    figure, axis = plt.subplots(figsize=(5.6, 5.6), layout="constrained")
    for colour, (name, scores) in zip(SETS, sets.items(), strict=False):
        found = summaries[name]
        _with_band(axis, curves.precision_recall(scores), colour, _legend(name, "AUPRC", "auprc", found), "steps-pre")
        axis.axhline(found["n_covid"] / found["n"], **_DOTTED | {"color": colour})
    axis.set(xlabel="recall (sensitivity)", ylabel="precision", title="Precision–recall (dotted: chance)", **_SQUARE)
    axis.legend(loc="lower left", fontsize=8.5)
    return figure


def _with_band(axis: plt.Axes, curve: curves.Curve, colour: str, label: str, drawn: str = "default") -> None:
    axis.fill_between(curves.GRID, *curve.band, color=colour, alpha=0.18, linewidth=0)
    axis.plot(curve.x, curve.y, color=colour, linewidth=1.8, label=label, drawstyle=drawn)


def _legend(name: str, called: str, key: str, found: dict) -> str:
    ends = found["intervals"][key]
    between = f" ({ends[0]:.2f}–{ends[1]:.2f})" if ends else ""
    return f"{name}: {called} {found[key]:.3f}{between}, n = {found['n']:,}"


def reliability(sets: Mapping[str, Scores], summaries: Mapping[str, dict]) -> Figure:
    """The share of COVID against its mean probability in each bin, intervals over patients, and how many there are."""
    figure, axes = plt.subplots(
        2, len(sets), figsize=(4.4 * len(sets), 5.4), layout="constrained", squeeze=False, height_ratios=(3.2, 1)
    )
    for (upper, lower), (name, scores) in zip(axes.T, sets.items(), strict=True):
        found = summaries[name]
        upper.plot([0, 1], [0, 1], **_DOTTED)
        for mean, share, ends in _bins(scores):
            reach = [[share - ends[0]], [ends[1] - share]] if ends else None
            upper.errorbar(mean, share, yerr=reach, fmt="o", color=SETS[0], capsize=3, markersize=5, linewidth=1.2)
        upper.set(title=f"{name} (n = {found['n']:,}, ECE {found['ece']:.3f})", ylabel="share of COVID", **_UNIT)
        lower.hist(scores.probability, bins=metrics.BINS, range=(0, 1), color=SETS[0], alpha=0.7)
        lower.set(xlabel="calibrated probability of COVID", ylabel="images", xlim=(-0.02, 1.02))
    return figure


def _bins(scores: Scores) -> list[tuple[float, float, tuple[float, float] | None]]:
    """Mean probability, share of COVID and its interval in each bin that holds images."""
    bins, covid = metrics.bin_indices(scores.probability), scores.labels == COVID
    inside = {number: bins == number for number in np.unique(bins)}
    measures = {
        number: Measure(bootstrap.ratio_statistic(covid & where, where), count_patients(where, scores.patients))
        for number, where in inside.items()
    }
    found = bootstrap.intervals(measures, scores.patients)
    return [
        (float(scores.probability[where].mean()), float(covid[where].mean()), found[number] and found[number][1:])
        for number, where in inside.items()
    ]


def confusion(sets: Mapping[str, Scores], threshold: float) -> Figure:
    """Confusion matrices at the operating threshold, counts and shares of the true class."""
    figure, axes = plt.subplots(1, len(sets), figsize=(3.9 * len(sets), 3.9), layout="constrained", squeeze=False)
    for axis, (name, scores) in zip(axes[0], sets.items(), strict=True):
        called = (scores.probability >= threshold).astype(int)
        counts = np.array([[np.sum((scores.labels == t) & (called == c)) for c in (0, 1)] for t in (0, 1)])
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
        for (row, column), count in np.ndenumerate(counts):
            share = shares[row, column]
            ink = "white" if share > 0.6 else "black"
            axis.text(column, row, f"{count:,}\n{share:.0%}", ha="center", va="center", color=ink, fontsize=12)
        axis.set(xticks=(0, 1), yticks=(0, 1), xticklabels=LABELS, yticklabels=LABELS)
        axis.set(xlabel=f"called, threshold {threshold:.2f}", ylabel="true", title=name)
        axis.tick_params(axis="y", rotation=90)
    return figure


def histograms(sets: Mapping[str, Scores], threshold: float) -> Figure:
    """Probabilities of COVID by class, a panel for each source of each set; the smallest sources share the last."""
    panels = [panel for name, scores in sets.items() for panel in _by_source(name, scores)]
    shown, rest = panels[:MOST_PANELS], len(panels) - MOST_PANELS
    columns = min(_ACROSS, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.7 * columns, 2.9 * rows), layout="constrained", squeeze=False, sharex=True
    )
    for axis in axes.ravel()[len(shown) :]:
        axis.axis("off")
    for axis, (title, scores) in zip(axes.ravel(), shown, strict=False):
        _histogram(axis, title, scores, threshold)
    if rest > 0:
        figure.suptitle(f"{rest} more sources are not shown", fontsize=9)
    return figure


def _by_source(name: str, scores: Scores) -> list[tuple[str, Scores]]:
    sources = scores.groups("source")
    values, counts = np.unique(sources, return_counts=True)
    return [(f"{name}\nsource {value}", scores.chosen(sources == value)) for value in values[np.argsort(-counts)]]


def _histogram(axis: plt.Axes, title: str, scores: Scores, threshold: float) -> None:
    for index, label in enumerate(LABELS):
        chosen = scores.probability[scores.labels == index]
        if len(chosen):
            settings = {"bins": 20, "range": (0, 1), "color": CLASSES[index]}
            axis.hist(chosen, **settings, alpha=0.45, label=f"{label}, n = {len(chosen):,}")
            axis.hist(chosen, **settings, histtype="step", linewidth=1.4)
    axis.axvline(threshold, color="black", linestyle="--", linewidth=1)
    axis.set(xlim=(0, 1), xlabel="probability of COVID", ylabel="images")
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=8)
