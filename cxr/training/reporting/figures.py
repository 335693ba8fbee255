"""The figures that go with a run: plots only, never a radiograph."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np

from cxr.training.evaluation.evaluation import Evaluation
from cxr.training.evaluation.scores import Scores
from cxr.training.reporting import plots

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

_DPI = 150


def draw_all(folder: Path, log_history: list[dict], evaluated: Evaluation) -> None:
    """Write every figure into `folder`: of the test split, and beside it of each external set.

    Curves are drawn of the sets that hold both classes; where none does, there is no such figure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    sets, summaries = evaluated.tested, evaluated.tested_summaries
    threshold = evaluated.summary["operating_threshold"]
    figures = {
        "training_curves": training_curves(log_history),
        **_curves(sets, summaries),
        "reliability": plots.reliability(sets, summaries),
        "confusion_matrix": plots.confusion(sets, threshold),
        "score_histograms": plots.histograms(sets, threshold),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=_DPI, metadata={"Software": None})
        plt.close(figure)


def _curves(sets: Mapping[str, Scores], summaries: Mapping[str, dict]) -> dict[str, Figure]:
    ranked = {name: scores for name, scores in sets.items() if summaries[name]["auroc"] is not None}
    if not ranked:
        return {}
    return {"roc": plots.roc(ranked, summaries), "precision_recall": plots.precision_recall(ranked, summaries)}


def training_curves(log_history: list[dict]) -> Figure:
    """Loss and accuracy of training and validation against the epoch, from the Trainer's log."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"eval_{name}", "validation")):
            points = [(entry["epoch"], entry[key]) for entry in log_history if key in entry]
            axis.plot(*zip(*points, strict=True) if points else ([], []), marker="o", markersize=3, label=label)
        axis.set(xlabel="epoch", ylabel=name, title=f"{name.capitalize()} per epoch")
        axis.legend()
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, _loss_limit(log_history))
    axes[1].set_ylim(0, 1.02)
    return figure


def _loss_limit(log_history: list[dict]) -> float | None:
    """Upper end of the loss axis: early BatchNorm statistics can throw one evaluation far off, hiding all others."""
    losses = [entry[key] for entry in log_history for key in ("loss", "eval_loss") if key in entry]
    return 1.05 * min(max(losses), 4 * float(np.median(losses))) if losses else None
