"""Before the first visitor: does this model answer at all, and as it should where the right answer is known?

Broken weights, a broken reader or a broken processor all end in plausible numbers; a phantom, whose class is known,
tells them from right ones.
"""

import json
import math
from statistics import fmean

from cxr import phantom
from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from cxr.serving import has_gpu_per_call, loading
from cxr.serving.predictor import Predictor
from cxr.serving.web import pages

_SEEDS = range(3)
_KNOWS = 0.9
"""A model that was trained on phantoms and scored this AUROC on others must rank the classes of a few right."""


def check(predictor: Predictor) -> None:
    """Ask about a few phantoms of each class, through the reader that uploads pass.

    On a ZeroGPU Space there is no GPU to ask with before the page is served, so that there is no check either.

    Raises:
        UserError: if a probability is no number, or if the model should know phantoms by its own account and finds
            those without lesions more suspicious than those with them.
    """
    if has_gpu_per_call():
        return
    means = {label: fmean(_probability(predictor, seed, label) for seed in _SEEDS) for label in (NON_COVID, COVID)}
    name = loading.name(predictor.pulled)
    if not all(map(math.isfinite, means.values())):
        raise UserError(f"self-check failed: {name} gives no number: its weights are broken, publish it again")
    auroc = _claimed(predictor)
    if auroc >= _KNOWS and not means[COVID] > means[NON_COVID]:
        raise UserError(
            f"self-check failed: {name} scored AUROC {auroc:.2f} on phantoms, but now gives those with lesions "
            f"{means[COVID]:.2f} and those without {means[NON_COVID]:.2f}: its files are damaged, publish it again"
        )


def _probability(predictor: Predictor, seed: int, label: int) -> float:
    return predictor.predict(predictor.read(pages.png(phantom.draw_phantom(seed, label).image))).probability


def _claimed(predictor: Predictor) -> float:
    """The AUROC on other phantoms that the model's own files report; 0 for a model of patients or without one."""
    folder = predictor.pulled.folder
    try:
        synthetic = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("synthetic_data")
        auroc = loading.metrics(folder)["test"]["auroc"]
        return float(auroc) if synthetic else 0.0
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 0.0
