"""What is known about a model beside its answers: the numbers from elsewhere, and the judgement over all of them.

They come from the `metrics.json` beside the weights (`docs/metrics.schema.json`). That file may be missing, older, or
made by others: whatever in it is not as it should be counts as not known, and never stands in an answer's way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr.serving import loading
from cxr.serving.predictor import Predictor

_LONGEST = 600
_UNTESTED = "How well it does is not known: no test result was published with it."
_NOT_OUTSIDE = "No result on another hospital's pictures is known."


@dataclass(frozen=True)
class Record:
    """Which model answers, and the sentences to stand beside it.

    `notice` is what must be known of its origin (empty where nothing must), `headline` what its card says of it,
    `outside` its result on every external set, or that there is none.
    """

    model_id: str
    revision: str
    notice: str
    headline: str
    outside: tuple[str, ...]


def of(predictor: Predictor) -> Record:
    """The record of the model that a predictor asks."""
    pulled, headline = predictor.pulled, predictor.headline
    said = f"{headline[:_LONGEST].rstrip('.')}." if headline else _UNTESTED
    outside = tuple(_results(pulled.folder)) or (_NOT_OUTSIDE,)
    return Record(pulled.repo_id, pulled.revision, predictor.notice, said, outside)


def _results(folder: Path) -> list[str]:
    external = loading.metrics(folder).get("external")
    sets = external.items() if isinstance(external, Mapping) else ()
    return [sentence for name, scores in sets if (sentence := _sentence(name[:80], scores))]


def _sentence(name: str, scores: object) -> str:
    """ "Elsewhere (ieee8023): AUROC 0.62 (95 % interval 0.48–0.74), 250 pictures."; empty without a number."""
    auroc = scores.get("auroc") if isinstance(scores, Mapping) else None
    if not _is_share(auroc):
        return ""
    return f"Elsewhere ({name}): AUROC {auroc:.2f}{_interval(scores)}{_count(scores)}."


def _interval(scores: Mapping) -> str:
    intervals = scores.get("intervals")
    ends = intervals.get("auroc") if isinstance(intervals, Mapping) else None
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(_is_share, ends)):
        return ""
    return f" (95 % interval {ends[0]:.2f}–{ends[1]:.2f})"


def _count(scores: Mapping) -> str:
    n = scores.get("n")
    return f", {n:,} pictures" if isinstance(n, int) and 1 < n < 10**9 else ""


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
