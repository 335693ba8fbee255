"""Classifiers that see no lung: how well each predicts the label of test pictures says what the label leaks through.

They are fitted on training pictures alone. Where two compete, cross-validation over the training patients chooses.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from cxr.schema.labels import COVID, LABELS
from cxr.schema.probes import PROBES, is_flagged, shown
from cxr.statistics import bootstrap
from dataset_script.audit.regions import Glimpse
from dataset_script.storage import finished

FOLDS = 3
_SCORED = 256
_VARIANCE = 0.9


@dataclass(frozen=True)
class Part:
    """The sampled pictures of one split: their rows without pictures, and in the same order what is seen of them."""

    rows: pa.Table
    glimpses: list[Glimpse]

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,)."""
        return self.rows["label"].to_numpy()

    @cached_property
    def patients(self) -> np.ndarray:
        """One key a picture, (N,)."""
        return np.array(list(finished.patients(self.rows)), dtype=str)

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Indices to fit on and to score on, no patient on both sides; None where a class has too few patients."""
        fewest = min(bootstrap.count_patients(self.labels == label, self.patients) for label in range(len(LABELS)))
        if fewest < FOLDS:
            return None
        return list(StratifiedGroupKFold(FOLDS).split(self.labels, self.labels, self.patients))


@dataclass(frozen=True)
class Probe:
    """What a probe is shown (`features` of a part, (N, F)) and what may learn from it, the simplest first."""

    name: str
    what: str
    features: Callable[[Part], np.ndarray]
    candidates: Callable[[int], Sequence[BaseEstimator]]


def run(probe: Probe, train: Part, test: Part, seed: int) -> dict:
    """Fit on `train`, score once on `test`: `auroc`, `low`, `high`, `shouts`, and a `note` where there is no AUROC.

    An AUROC far below 0.5 is no leak: what the probe learned from the training pictures fails on the test pictures,
    so it cannot flatter a model either.
    """
    found = {"name": probe.name, "what": probe.what, "auroc": None, "low": None, "high": None, "shouts": False}
    note = _obstacle(train, "training") or _obstacle(test, "test")
    if note:
        return found | {"note": note}
    seen = probe.features(train)
    model = _choose(probe.candidates(seed), seen, train).fit(seen, train.labels)
    score = _scores(model, probe.features(test))
    auroc, low, high = bootstrap.auroc_interval(score, test.labels, test.patients, seed=seed)
    numbers = {"auroc": round(auroc, 4), "low": round(low, 4), "high": round(high, 4)}
    return found | numbers | {"shouts": bool(is_flagged(auroc, low))}


def _scores(model: BaseEstimator, seen: np.ndarray) -> np.ndarray:
    """Probabilities of COVID, (N,), some pictures at a time: models take eight times the memory of what they see."""
    parts = (seen[start : start + _SCORED] for start in range(0, len(seen), _SCORED))
    return np.concatenate([model.predict_proba(part)[:, COVID] for part in parts])


def _obstacle(part: Part, split: str) -> str | None:
    for label, name in enumerate(LABELS):
        count = bootstrap.count_patients(part.labels == label, part.patients)
        if count < bootstrap.FEWEST:
            return f"the {split} split has {count} {name} patient{'' if count == 1 else 's'}"
    return None


def _choose(candidates: Sequence[BaseEstimator], seen: np.ndarray, train: Part) -> BaseEstimator:
    """The best by AUROC across folds of training patients; the first where there are too few for folds."""
    if len(candidates) == 1 or train.folds is None:
        return candidates[0]
    settings = {"cv": train.folds, "scoring": "roc_auc", "error_score": "raise"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # a fold without one of the classes counts as NaN
        scores = [np.nanmean(cross_val_score(model, seen, train.labels, **settings)) for model in candidates]
    return candidates[int(np.argmax(scores))]


def _columns(part: Part, *names: str) -> np.ndarray:
    return np.array([part.rows[name].to_pylist() for name in names], dtype=object).T


def _source(part: Part) -> np.ndarray:
    return _columns(part, "source")


def _file_facts(part: Part) -> np.ndarray:
    facts = _columns(part, "mode", "format", "width", "height")
    return np.column_stack([facts, facts[:, 2] / facts[:, 3]])


def _pixels(*fields: str) -> Callable[[Part], np.ndarray]:
    return lambda part: np.stack([np.concatenate([getattr(g, field) for field in fields]) for g in part.glimpses])


def _rates(seed: int) -> list[BaseEstimator]:
    return [make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())]


def _trees_on_facts(seed: int) -> list[BaseEstimator]:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0, 1]), remainder="passthrough"
    )
    trees = HistGradientBoostingClassifier(max_leaf_nodes=15, min_samples_leaf=5, random_state=seed)
    return [make_pipeline(encoder, trees)]


def _on_pixels(seed: int) -> list[BaseEstimator]:
    components = PCA(_VARIANCE, svd_solver="covariance_eigh", copy=False)
    linear = make_pipeline(
        FunctionTransformer(np.float32),
        StandardScaler(copy=False),
        components,
        LogisticRegression(C=0.01, max_iter=1000),
    )
    settings = {"max_iter": 60, "max_leaf_nodes": 8, "max_features": 0.3, "max_bins": 32}  # as good as more, and fast
    trees = HistGradientBoostingClassifier(**settings, random_state=seed)
    return [linear, trees]


def all_probes(lungs: str) -> list[Probe]:
    """The probes, with the lungs blacked out by `masks` or by the central `box`."""
    instruments = {
        "source": (_source, _rates),
        "file": (_file_facts, _trees_on_facts),
        "border": (_pixels("rim", "outer"), _on_pixels),
        "border_in_view": (_pixels("rim"), _on_pixels),
        "lungs_blacked_out": (_pixels({"masks": "masked", "box": "boxed"}[lungs]), _on_pixels),
    }
    return [Probe(name, shown(name, lungs), *instruments[name]) for name in PROBES]
