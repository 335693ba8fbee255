"""The figures of a run: plots of scores and of the training log, never a radiograph.

ROC and precision–recall curves have pointwise 95 % bands from the same bootstrap over patients as the intervals.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cxr.schema.labels import COVID, LABELS
from cxr.statistics import bootstrap, metrics
from cxr.statistics.bootstrap import Measure, count_patients
from cxr.training.evaluation.evaluation import Evaluation
from cxr.training.evaluation.scores import Scores

GRID = np.linspace(0, 1, 201)
"""Where the bands are computed: 1 − specificity, or recall."""

MOST_PANELS = 12
_PANELS_IN_A_ROW = 4
_RESAMPLES = 1000
_DPI = 150

_SET_COLOURS = ("#1f5a85", "#c1502e", "#3c8d5a", "#7a4fa3", "#8a6d1f", "#4f4f4f")
_CLASS_COLOURS = ("#5b8db8", "#c1502e")
_UNIT: dict[str, Any] = {"xlim": (-0.02, 1.02), "ylim": (-0.02, 1.02)}
_SQUARE = _UNIT | {"aspect": "equal"}
_DOTTED: dict[str, Any] = {"color": "0.6", "linewidth": 1, "linestyle": ":"}

Sets = Mapping[str, Scores]
Summaries = Mapping[str, Mapping[str, Any]]
Log = Sequence[Mapping[str, float]]


def draw_all(folder: Path, log_history: Log, evaluation: Evaluation) -> None:
    """Write every figure into `folder`, for the test split and each external set; older ones are removed.

    Curves are drawn of the sets that hold both classes; where none does, there is no such figure.
    """
    threshold = evaluation.summary["operating_threshold"]
    draw_scores(folder, evaluation.tested, evaluation.tested_summaries, threshold)
    _save(folder, {"training_curves": _training_curves(log_history)})


def draw_scores(folder: Path, sets: Sets, summaries: Summaries, threshold: float) -> None:
    """Write the figures of scored sets into `folder`; older ones there are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    figures = {
        "reliability": _reliability(sets, summaries),
        "confusion_matrix": _confusion(sets, threshold),
        "score_histograms": _histograms(sets, threshold),
    }
    ranked = {name: scores for name, scores in sets.items() if summaries[name]["auroc"] is not None}
    if ranked:
        figures |= {"roc": _roc(ranked, summaries), "precision_recall": _precision_recall(ranked, summaries)}
    _save(folder, figures)


def draw_roc_curves(path: Path, sets: Sets, summaries: Summaries) -> None:
    """Write the ROC curves of sets that hold both classes, by which two models are compared."""
    _save(path.parent, {path.stem: _roc(sets, summaries)})


def _save(folder: Path, figures: Mapping[str, Figure]) -> None:
    for name, figure in figures.items():
        FigureCanvasAgg(figure)
        figure.savefig(folder / f"{name}.png", dpi=_DPI, metadata={"Software": None})


def _new_figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, outside of pyplot's global state."""
    return Figure(figsize=(width, height), layout="constrained")


def _training_curves(log_history: Log) -> Figure:
    """Loss and accuracy of training and validation against the epoch, from the Trainer's log."""
    figure = _new_figure(10, 4)
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"eval_{name}", "validation")):
            epochs = [entry["epoch"] for entry in log_history if key in entry]
            values = [entry[key] for entry in log_history if key in entry]
            axis.plot(epochs, values, marker="o", markersize=3, label=label)
        axis.set(xlabel="epoch", ylabel=name, title=f"{name.capitalize()} per epoch")
        axis.legend()
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, _loss_limit(log_history))
    axes[1].set_ylim(0, 1.02)
    return figure


def _loss_limit(log_history: Log) -> float | None:
    """Upper end of the loss axis: early BatchNorm statistics can make one evaluation an outlier that hides the rest."""
    losses = [entry[key] for entry in log_history for key in ("loss", "eval_loss") if key in entry]
    return 1.05 * min(max(losses), 4 * float(np.median(losses))) if losses else None


def _roc(sets: Sets, summaries: Summaries) -> Figure:
    """ROC curves with bands; a dot marks the operating point."""
    figure = _new_figure(5.6, 5.6)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], **_DOTTED)
    for colour, (name, scores) in zip(_SET_COLOURS, sets.items(), strict=False):
        summary = summaries[name]
        _draw_curve(axis, roc_curve(scores), colour, _legend(name, "AUROC", "auroc", summary))
        axis.plot(1 - summary["specificity"], summary["sensitivity"], "o", color=colour, markersize=7, mec="white")
    axis.set(xlabel="1 − specificity", ylabel="sensitivity", title="ROC (dots: operating point)", **_SQUARE)
    axis.legend(loc="lower right", fontsize=8.5)
    return figure


def _precision_recall(sets: Sets, summaries: Summaries) -> Figure:
    """Precision–recall curves with bands; dotted lines show chance, the share of COVID in the set."""
    figure = _new_figure(5.6, 5.6)
    axis = figure.subplots()
    for colour, (name, scores) in zip(_SET_COLOURS, sets.items(), strict=False):
        summary, curve = summaries[name], precision_recall_curve(scores)
        _draw_curve(axis, curve, colour, _legend(name, "AUPRC", "auprc", summary), "steps-pre")
        axis.axhline(summary["n_covid"] / summary["n"], **_DOTTED | {"color": colour})
    axis.set(xlabel="recall (sensitivity)", ylabel="precision", title="Precision–recall (dotted: chance)", **_SQUARE)
    axis.legend(loc="lower left", fontsize=8.5)
    return figure


class Curve(NamedTuple):
    """Points of a curve, float (K,) each, and its band over `GRID`, float (2, 201): low and high."""

    x: np.ndarray
    y: np.ndarray
    band: np.ndarray


Points = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""True and false positives, float (K,) each, at falling thresholds → x and y of a curve, and its y over `GRID`."""


def roc_curve(scores: Scores) -> Curve:
    """Sensitivity against 1 − specificity of a set that holds both classes."""
    return _curve(scores, _roc_points)


def precision_recall_curve(scores: Scores) -> Curve:
    """Precision against recall of a set that holds both classes."""
    return _curve(scores, _precision_recall_points)


def _curve(scores: Scores, points: Points) -> Curve:
    confusion = bootstrap.confusion_counts(scores.margin, scores.labels)
    hits, false = confusion(np.ones((1, len(scores.labels))))
    x, y, _ = points(hits[0], false[0])
    resampled = [
        points(*counts)[2]
        for weights in bootstrap.resample_weights(scores.patients, _RESAMPLES)
        for counts in zip(*confusion(weights), strict=True)
        if counts[0][-1] and counts[1][-1]
    ]
    return Curve(x, y, np.percentile(resampled, [2.5, 97.5], axis=0))


def _roc_points(hits: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 − specificity and sensitivity at every threshold, and the sensitivity over `GRID`."""
    x, y = np.append(0.0, false / false[-1]), np.append(0.0, hits / hits[-1])
    return x, y, y[np.searchsorted(x, GRID, side="right") - 1]


def _precision_recall_points(hits: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall and precision at every threshold with a positive call, and the precision over `GRID`."""
    called = hits + false > 0
    x, y = hits[called] / hits[-1], hits[called] / (hits + false)[called]
    return x, y, y[np.minimum(np.searchsorted(x, GRID), len(x) - 1)]


def _draw_curve(axis: Axes, curve: Curve, colour: str, label: str, drawstyle: str = "default") -> None:
    axis.fill_between(GRID, *curve.band, color=colour, alpha=0.18, linewidth=0)
    axis.plot(curve.x, curve.y, color=colour, linewidth=1.8, label=label, drawstyle=drawstyle)


def _legend(name: str, metric: str, key: str, summary: Mapping[str, Any]) -> str:
    ends = summary["intervals"][key]
    interval = f" ({ends[0]:.2f}–{ends[1]:.2f})" if ends else ""
    return f"{name}: {metric} {summary[key]:.3f}{interval}, n = {summary['n']:,}"


def _reliability(sets: Sets, summaries: Summaries) -> Figure:
    """The share of COVID against the mean probability in each bin, with intervals over patients, and bin sizes."""
    figure = _new_figure(4.4 * len(sets), 5.4)
    axes = figure.subplots(2, len(sets), squeeze=False, height_ratios=(3.2, 1))
    for (upper, lower), (name, scores) in zip(axes.T, sets.items(), strict=True):
        summary = summaries[name]
        upper.plot([0, 1], [0, 1], **_DOTTED)
        for mean, share, ends in _bins(scores):
            bars = [[share - ends[0]], [ends[1] - share]] if ends else None
            upper.errorbar(
                mean, share, yerr=bars, fmt="o", color=_SET_COLOURS[0], capsize=3, markersize=5, linewidth=1.2
            )
        upper.set(title=f"{name} (n = {summary['n']:,}, ECE {summary['ece']:.3f})", ylabel="share of COVID", **_UNIT)
        lower.hist(scores.probability, bins=metrics.BINS, range=(0, 1), color=_SET_COLOURS[0], alpha=0.7)
        lower.set(xlabel="calibrated probability of COVID", ylabel="images", xlim=(-0.02, 1.02))
    return figure


def _bins(scores: Scores) -> Iterator[tuple[float, float, tuple[float, float] | None]]:
    """Mean probability, share of COVID and the ends of its interval in each bin that holds images."""
    bins, covid = metrics.bin_indices(scores.probability), scores.labels == COVID
    members = {number: bins == number for number in np.unique(bins)}
    measures = {
        number: Measure(bootstrap.ratio_statistic(covid & member, member), count_patients(member, scores.patients))
        for number, member in members.items()
    }
    intervals = bootstrap.intervals(measures, scores.patients)
    for number, member in members.items():
        interval = intervals[number]
        ends = None if interval is None else (interval.low, interval.high)
        yield float(scores.probability[member].mean()), float(covid[member].mean()), ends


def _confusion(sets: Sets, threshold: float) -> Figure:
    """Confusion matrices at the operating threshold, counts and shares of the true class."""
    figure = _new_figure(3.9 * len(sets), 3.9)
    axes = figure.subplots(1, len(sets), squeeze=False)
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


def _histograms(sets: Sets, threshold: float) -> Figure:
    """Probabilities of COVID by class, in a panel for each source of each set, the largest sources first."""
    panels = [panel for name, scores in sets.items() for panel in _by_source(name, scores)]
    shown, hidden = panels[:MOST_PANELS], len(panels) - MOST_PANELS
    columns = min(_PANELS_IN_A_ROW, len(shown))
    rows = -(-len(shown) // columns)
    figure = _new_figure(3.7 * columns, 2.9 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axis in axes[len(shown) :]:
        axis.axis("off")
    for axis, (title, scores) in zip(axes, shown, strict=False):
        _histogram(axis, title, scores, threshold)
    if hidden > 0:
        figure.suptitle(f"{hidden} more sources are not shown", fontsize=9)
    return figure


def _by_source(name: str, scores: Scores) -> list[tuple[str, Scores]]:
    sources = scores.groups("source")
    values, counts = np.unique(sources, return_counts=True)
    return [(f"{name}\nsource {value}", scores.subset(sources == value)) for value in values[np.argsort(-counts)]]


def _histogram(axis: Axes, title: str, scores: Scores, threshold: float) -> None:
    for index, label in enumerate(LABELS):
        chosen = scores.probability[scores.labels == index]
        if len(chosen):
            settings: dict[str, Any] = {"bins": 20, "range": (0, 1), "color": _CLASS_COLOURS[index]}
            axis.hist(chosen, **settings, alpha=0.45, label=f"{label}, n = {len(chosen):,}")
            axis.hist(chosen, **settings, histtype="step", linewidth=1.4)
    axis.axvline(threshold, color="black", linestyle="--", linewidth=1)
    axis.set(xlim=(0, 1), xlabel="probability of COVID", ylabel="images")
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=8)
