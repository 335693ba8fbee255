"""The numbers that training, evaluation and card report, as an `evaluate.Metric` that needs no network.

`evaluate.load("accuracy")` fetches a script from the Hub; this module is that script, shipped.
"""

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from cxr.schema.labels import COVID, NON_COVID
from cxr.schema.set_summary import MetricValues

ERRORS = ("brier", "ece")
"""Metrics for which lower is better."""

BINS = 15
"""Equal-width bins from 0 to 1, for ECE and reliability diagram."""

PREVALENCES = (0.01, 0.05, 0.20)
"""Shares of COVID among those examined for which predictive values are given: screening, a practice, a ward."""

_DESCRIPTION = "Ranking, decisions at a threshold and calibration of the probability of COVID."
_INPUTS = """
Args:
    predictions: probability of COVID of each image, 0…1.
    references: true label of each image, 0 (NON-COVID) or 1 (COVID).
    threshold: an image is classified as COVID from this probability on.
    score: what AUROC and AUPRC rank the images by, where probabilities are too close to 0 or 1 to differ.
"""


class CovidMetrics(evaluate.Metric):
    """AUROC, AUPRC, Brier score and ECE; accuracy, sensitivity, specificity and F1 at a threshold."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("float64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=features)

    def _compute(
        self,
        predictions: list[float],
        references: list[int],
        threshold: float = 0.5,
        score: NDArray[np.floating] | None = None,
    ) -> dict[str, float | None]:
        # `format="numpy"` would cut the probabilities to float32 and move some across the threshold.
        probability, labels = np.asarray(predictions, dtype=np.float64), np.asarray(references)
        score = probability if score is None else score
        ranked = len(np.unique(labels)) == 2
        return {
            "auroc": auroc(score, labels),
            "auprc": float(average_precision_score(labels, score)) if ranked else None,
            **_at_threshold(probability >= threshold, labels),
            "brier": float(brier_score_loss(labels, probability, pos_label=COVID)),
            "ece": ece(probability, labels),
        }


def compute_metrics(
    probability: NDArray[np.floating],
    labels: NDArray[np.integer],
    threshold: float = 0.5,
    score: NDArray[np.floating] | None = None,
) -> MetricValues:
    """All metrics of float (N,) probabilities of COVID against int (N,) labels; None where a class is absent.

    `score`, float64 (N,), is what AUROC and AUPRC rank by, the probability by default. Pass the difference of the
    logits where there are logits: probabilities of a confident model are all 0 or 1 in floating point.
    """
    metric = CovidMetrics(keep_in_memory=True)
    values: MetricValues = metric.compute(predictions=probability, references=labels, threshold=threshold, score=score)
    return values


def _at_threshold(positive: NDArray[np.bool_], labels: NDArray[np.integer]) -> dict[str, float | None]:
    (tn, fp), (fn, tp) = confusion_matrix(labels, positive.astype(int), labels=[NON_COVID, COVID])
    sensitivity, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    balanced = None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2
    f1 = float(f1_score(labels, positive, pos_label=COVID)) if tp + fp + fn else None
    return {
        "accuracy": float((tn + tp) / len(labels)),
        "balanced_accuracy": balanced,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "f1": f1,
    }


def auroc(score: NDArray[np.floating], labels: NDArray[np.integer]) -> float | None:
    """Area under the ROC curve; None where only one class is present (it is then undefined, not 0.5)."""
    return float(roc_auc_score(labels, score)) if len(np.unique(labels)) == 2 else None


def bin_indices(probability: NDArray[np.floating]) -> NDArray[np.integer]:
    """The bin, int (N,) in 0…14, of each probability; an edge belongs to the bin below it, as in scikit-learn."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], probability)


def ece(probability: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Expected calibration error: how far the confidence in the likelier class is from how often that class is right.

    Guo et al. 2017 (arXiv 1706.04599), in 15 equal-width bins of the confidence, which is the larger of the probability
    of COVID and 1 − that; an image counts as right by the likelier class, not by the operating threshold. Chance alone
    raises it: a perfectly calibrated model with AUROC 0.90 gets about 0.06 from 200 images, 0.025 from 1,000 and 0.011
    from 5,000, so read it together with n and its interval. Probabilities too high that cancel others too low do not
    show in it, but do in the reliability diagram and the Brier score.
    """
    return float(np.abs(calibration_errors(probability, labels).mean(axis=0)).sum())


def calibration_errors(probability: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.floating]:
    """Right (1) or wrong (0) minus the confidence, of each of N images, in the column of its bin: float (N, 15)."""
    probability = np.asarray(probability, dtype=np.float64)
    confidence, right = np.maximum(probability, 1 - probability), (probability >= 0.5) == (np.asarray(labels) == COVID)
    errors = np.zeros((len(right), BINS))
    errors[np.arange(len(right)), bin_indices(confidence)] = right - confidence
    return errors


def predictive_values(
    sensitivity: float | None, specificity: float | None, prevalence: float
) -> tuple[float | None, float | None]:
    """Positive and negative predictive value where a share `prevalence` of those examined has COVID, by Bayes' rule.

    None where no image is classified so, or the sensitivity or specificity is not known.
    """
    if sensitivity is None or specificity is None:
        return None, None
    hit, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    clear, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return _share(hit, hit + false), _share(clear, clear + missed)


def operating_threshold(probability: NDArray[np.floating], labels: NDArray[np.integer], sensitivity: float) -> float:
    """The highest threshold whose sensitivity on these (validation) images is at least `sensitivity`.

    It lies half-way to the next lower score, so that a rounding error in one probability changes no decision.
    """
    _, tpr, thresholds = roc_curve(labels, probability, pos_label=COVID, drop_intermediate=False)
    first = int(np.argmax(tpr >= sensitivity))
    lower = thresholds[first + 1] if first + 1 < len(thresholds) else 0.0
    return float((thresholds[first] + lower) / 2)


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
