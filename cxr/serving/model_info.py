"""The facts about a model that stand beside its answers: id, reservations, and the results it was published with.

Results come from the `metrics.json` beside the weights (docs/metrics.schema.json). That file may be missing, older, or
made by others, and no answer needs it: whatever in it is not as it should be counts as unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.policy import is_fraction
from cxr.serving.loading import read_metrics
from cxr.serving.predictor import Predictor

_MAX_LENGTH = 600
_NO_RESULTS = "Its performance is unknown: no test result was published with it."
_NO_EXTERNAL_RESULTS = "No result on images from another hospital is known."


@dataclass(frozen=True)
class ModelInfo:
    """A model's id and revision, and the sentences to show beside its answers.

    `notice` holds reservations about its origin (empty if there are none), `headline` its own test result, `external`
    its result on every external set, or that there is none. `heatmap_words` is what is known of its heatmaps; only if
    `shows_heatmap` are they shown without being asked for.
    """

    model_id: str
    revision: str
    notice: str
    headline: str
    external: tuple[str, ...]
    shows_heatmap: bool
    heatmap_words: str

    @classmethod
    def of(cls, predictor: Predictor) -> "ModelInfo":
        """The facts about a predictor's model."""
        pulled = predictor.pulled
        result = headline(pulled.folder)[:_MAX_LENGTH].rstrip(".")
        return cls(
            model_id=pulled.repo_id,
            revision=pulled.revision,
            notice=predictor.notice,
            headline=f"{result}." if result else _NO_RESULTS,
            external=tuple(_external_results(pulled.folder)) or (_NO_EXTERNAL_RESULTS,),
            shows_heatmap=predictor.shows_heatmap,
            heatmap_words=predictor.heatmap_words[:_MAX_LENGTH],
        )


def headline(folder: Path) -> str:
    """The model's result in one sentence; empty if it is unknown.

    That is its summary of internal and external results and shortcuts (`judgement`) if it has one, otherwise the AUROC
    on its own test split and on every external set.
    """
    metrics = read_metrics(folder)
    summary = metrics.get("judgement")
    if isinstance(summary, str):
        return summary if summary.startswith("AUROC") else f"AUROC {summary}"  # earlier versions began with the number
    try:
        external = [f"{scores['auroc']:.2f} on {name}" for name, scores in metrics.get("external", {}).items()]
        return ", ".join([f"AUROC {metrics['test']['auroc']:.2f} on the test split of its own data", *external])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return ""


def _external_results(folder: Path) -> list[str]:
    external = read_metrics(folder).get("external")
    if not isinstance(external, Mapping):
        return []
    sentences = [_result_sentence(name[:80], scores) for name, scores in external.items()]
    return [sentence for sentence in sentences if sentence]


def _result_sentence(name: str, scores: object) -> str:
    """ "External data (ieee8023): AUROC 0.62 (95 % interval 0.48–0.74), 250 images."; empty without an AUROC."""
    if not isinstance(scores, Mapping) or not is_fraction(scores.get("auroc")):
        return ""
    return f"External data ({name}): AUROC {scores['auroc']:.2f}{_interval(scores)}{_image_count(scores)}."


def _interval(scores: Mapping[str, Any]) -> str:
    intervals = scores.get("intervals")
    ends = intervals.get("auroc") if isinstance(intervals, Mapping) else None
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(is_fraction, ends)):
        return ""
    return f" (95 % interval {ends[0]:.2f}–{ends[1]:.2f})"


def _image_count(scores: Mapping[str, Any]) -> str:
    count = scores.get("n")
    return f", {count:,} images" if isinstance(count, int) and 1 < count < 10**9 else ""
