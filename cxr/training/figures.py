"""The pictures that go with a run: plots only, never a radiograph."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from cxr.labels import COVID, LABELS
from cxr.training.evaluation import Evaluation
from cxr.training.scores import Scores

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw_all(folder: Path, log_history: list[dict], evaluated: Evaluation, threshold: float) -> None:
    """Write every figure into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    training_curves(folder / "training_curves.png", log_history)
    roc(folder / "roc.png", evaluated.test)
    confusion(folder / "confusion_matrix.png", evaluated.test, threshold)


def training_curves(path: Path, log_history: list[dict]) -> None:
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
    _save(figure, path)


def _loss_limit(log_history: list[dict]) -> float | None:
    """Upper end of the loss axis: early BatchNorm statistics can throw one evaluation far off, hiding all others."""
    losses = [entry[key] for entry in log_history for key in ("loss", "eval_loss") if key in entry]
    return 1.05 * min(max(losses), 4 * float(np.median(losses))) if losses else None


def roc(path: Path, test: Scores) -> None:
    """ROC curve on the test split."""
    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    RocCurveDisplay.from_predictions(test.labels, test.probability, pos_label=COVID, ax=axis, plot_chance_level=True)
    axis.set(title=f"ROC on the test split (n = {len(test.labels)})", xlabel="1 − specificity", ylabel="sensitivity")
    _save(figure, path)


def confusion(path: Path, test: Scores, threshold: float) -> None:
    """Confusion matrix on the test split at the operating threshold."""
    figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
    called = (test.probability >= threshold).astype(int)
    ConfusionMatrixDisplay.from_predictions(
        test.labels, called, labels=[0, 1], display_labels=LABELS, ax=axis, colorbar=False, cmap="Blues"
    )
    axis.set(title=f"Test split at threshold {threshold:.2f}")
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
