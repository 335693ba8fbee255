"""The numbers that training, evaluation and card report, as an `evaluate.Metric` that needs no network.

`evaluate.load("accuracy")` fetches a script from the Hub; this module is that script, shipped.
"""

import datasets
import evaluate
import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score, roc_curve

from cxr.labels import COVID, NON_COVID

METRIC_NAMES = {
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "f1": "F1 (COVID)",
}
"""Key and name of each metric, in the order in which they are reported."""

_DESCRIPTION = "Accuracy, AUROC, sensitivity, specificity and F1 of the probability of COVID."
_INPUTS = """
Args:
    predictions: probability of COVID of each image, 0…1.
    references: true label of each image, 0 (NON-COVID) or 1 (COVID).
    threshold: an image is called COVID from this probability on.
"""


class CovidMetrics(evaluate.Metric):
    """AUROC, and at a threshold accuracy, sensitivity (recall of COVID), specificity and F1 (of COVID)."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("float64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=features)

    def _compute(
        self, predictions: list[float], references: list[int], threshold: float = 0.5
    ) -> dict[str, float | None]:
        # `format="numpy"` would have cut the probabilities to float32, moving some across the threshold.
        predictions, references = np.asarray(predictions, dtype=np.float64), np.asarray(references)
        called = (predictions >= threshold).astype(int)
        (tn, fp), (fn, tp) = confusion_matrix(references, called, labels=[NON_COVID, COVID])
        return {
            "accuracy": float((tn + tp) / len(references)),
            "auroc": auroc(predictions, references),
            "sensitivity": _share(tp, tp + fn),
            "specificity": _share(tn, tn + fp),
            "f1": float(f1_score(references, called, pos_label=COVID, zero_division=0.0)),
        }


def compute(probability: np.ndarray, labels: np.ndarray, threshold: float = 0.5) -> dict[str, float | None]:
    """All metrics of float (N,) probabilities of COVID against int (N,) labels; None where a class is absent."""
    metric = CovidMetrics(keep_in_memory=True)
    return metric.compute(predictions=probability, references=labels, threshold=threshold)


def auroc(score: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve; None where only one class is present (it is then undefined, not 0.5)."""
    return float(roc_auc_score(labels, score)) if len(np.unique(labels)) == 2 else None


def operating_threshold(probability: np.ndarray, labels: np.ndarray, sensitivity: float) -> float:
    """The highest threshold whose sensitivity on these (validation) images is at least `sensitivity`.

    It lies half-way to the next lower score, so that a rounding error in one probability changes no call.
    """
    _, tpr, thresholds = roc_curve(labels, probability, pos_label=COVID, drop_intermediate=False)
    first = int(np.argmax(tpr >= sensitivity))
    lower = thresholds[first + 1] if first + 1 < len(thresholds) else 0.0
    return float((thresholds[first] + lower) / 2)


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
