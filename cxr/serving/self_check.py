"""A self-check on synthetic images at startup.

Broken weights, a broken reader or a broken processor all end in plausible numbers; phantoms, whose class is known,
reveal them.
"""

import json
import math
from statistics import fmean

from cxr import phantom
from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from cxr.schema.model_repo import CONFIG
from cxr.serving import has_gpu_per_call
from cxr.serving.heatmap import png
from cxr.serving.loading import display_name, read_metrics
from cxr.serving.predictor import Predictor

_SEEDS = range(3)
_RANKS_PHANTOMS = 0.9
"""A model trained on phantoms that reached this AUROC on others must rank the classes of a few correctly."""


def check_on_phantoms(predictor: Predictor) -> None:
    """Classify a few phantoms of each class, through the reader that uploads take.

    On a ZeroGPU Space there is no GPU before the page is up, so nothing is checked there.

    Raises:
        UserError: if a probability is not a number, or if the model should know phantoms by its own metrics and gives
            those without lesions higher probabilities than those with lesions.
    """
    if has_gpu_per_call():
        return
    means = {label: fmean(_probability(predictor, seed, label) for seed in _SEEDS) for label in (NON_COVID, COVID)}
    name = display_name(predictor.pulled)
    if not all(map(math.isfinite, means.values())):
        raise UserError(f"self-check failed: {name} gives no number: its weights are broken, publish it again")
    auroc = _published_auroc_on_phantoms(predictor)
    if auroc >= _RANKS_PHANTOMS and means[COVID] <= means[NON_COVID]:
        raise UserError(
            f"self-check failed: {name} scored AUROC {auroc:.2f} on phantoms, but now gives those with lesions "
            f"{means[COVID]:.2f} and those without {means[NON_COVID]:.2f}: its files are damaged, publish it again"
        )


def _probability(predictor: Predictor, seed: int, label: int) -> float:
    return predictor.predict(predictor.read(png(phantom.draw_phantom(seed, label).image))).probability


def _published_auroc_on_phantoms(predictor: Predictor) -> float:
    """The test AUROC in the model's own files; 0 for a model trained on patients or published without one."""
    folder = predictor.pulled.folder
    try:
        synthetic = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("synthetic_data")
        auroc = read_metrics(folder)["test"]["auroc"]
        return float(auroc) if synthetic else 0.0
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 0.0
