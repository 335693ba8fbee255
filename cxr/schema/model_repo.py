"""Contract 2: the files of a model repo, and the keys of its `config.json` that transformers does not know.

`CONFIG`, `WEIGHTS` and `PREPROCESSOR` are what `from_pretrained` reads. Serving also reads `GATE` and `METRICS`.
"""

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from cxr.schema.metrics import ConformalFit

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSOR = "preprocessor_config.json"
CARD = "README.md"
METRICS = "metrics.json"
RECIPE = "recipe.yaml"
DATASET_REPORT = "dataset_report.json"
"""The dataset's report without its lists of files and patients."""

GATE = "gate.safetensors"
FINGERPRINTS = "fingerprints.safetensors"
"""Of the training data, by which others find out what their data share with it (`cxr.fingerprints`)."""

FIGURES = "figures/*.png"

REQUIRED = (CARD, CONFIG, WEIGHTS, PREPROCESSOR, METRICS, RECIPE, DATASET_REPORT)
"""In every published model; `GATE`, `FINGERPRINTS` and figures are in those that have them."""


class ConfigKeys(TypedDict, total=False):
    """What `config.json` says of one model beside its architecture, as plain extra keys.

    A model without `operating_threshold` is read at 0.5; one without `conformal` gives no conformal sets.
    """

    operating_threshold: float
    conformal: "ConformalFit"
    calibration: dict[str, float]
    """`temperature` and `bias`, already folded into the weights."""
    dataset_fingerprint: str
    synthetic_data: bool
    """Whether it was trained on phantoms alone."""
    random_weights: bool
    """Whether training started from random weights."""
