"""What people write for split, modality, sex and age in folders and tables; `label_text` reads classes, `views` views.

Every vocabulary is a list of spellings; case, spaces and punctuation do not matter.
"""

import math
import re
from collections.abc import Mapping

from cxr.imaging.views import Projection, read_view
from cxr.schema.dataset import NOT_FRONTAL, NOT_X_RAY
from cxr.schema.labels import COVID, LABELS, NON_COVID

_SPLITS = {
    "train": "train training train_set training_set train_data training_data trn",
    "validation": "val valid validation validate validation_set val_set val_data validation_data dev",
    "test": "test testing test_set testing_set test_data testing_data tst holdout",
}
_X_RAY = """
    xray x_rays cr dx dr xr cxr rx rg px radiograph radiographs radiography chest_xray chest_x_ray chest_radiograph
    computed_radiography digital_radiography digital_x_ray projection_radiography plain_film plain_radiograph
    conventional dx_cr cr_dx crdx radiografia radiographie rontgen roentgen röntgen rontgenbild x線 x光
"""
_SEXES = {
    "M": "m male man boy masculino hombre varon masculin homme männlich mann uomo maschio erkek mężczyzna м муж "
    "мужской 男 男性",
    "F": "f female woman girl w femenino mujer feminino feminin femme weiblich frau donna femmina kadın kobieta k ж "
    "жен женский 女 女性",
}
_OLDEST = 120


def plain(name: str) -> str:
    """A name without case, spaces and punctuation: `COVID-19` and `covid 19` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _plain_set(names: str) -> set[str]:
    return {plain(name) for name in names.split()}


_SPLIT_OF = {name: split for split, names in _SPLITS.items() for name in _plain_set(names)}
_MODALITY = {"", *_plain_set(_X_RAY)}
_SEX_OF = {name: sex for sex, names in _SEXES.items() for name in names.split()}


def known_labels() -> str:
    """The class names understood, a few of them, in words for a message."""
    return f"{LABELS[COVID]}: covid, positive, …; {LABELS[NON_COVID]}: no_finding, normal, negative, pneumonia, …"


def split_of(name: str) -> str | None:
    """The split that a folder or table name stands for, None if it is unknown."""
    return _SPLIT_OF.get(plain(name))


def is_x_ray(modality: str) -> bool:
    """Whether a modality is X-ray or not stated."""
    return plain(modality) in _MODALITY


def reason_to_refuse(values: Mapping[str, str]) -> str | None:
    """Why an image is left out for what its modality and view say; None if it stays, as one of unknown view does."""
    if not is_x_ray(values.get("modality", "")):
        return NOT_X_RAY
    return NOT_FRONTAL if read_view(values.get("view", "")).projection is Projection.OTHER else None


def sex_of(value: str) -> str:
    """`M`, `F` or, unknown, an empty string."""
    return _SEX_OF.get(value.casefold(), "")


def age_of(value: str) -> float | None:
    """Age in years, None where it is unknown or impossible; `045Y` and `90+` are understood."""
    number = re.match(
        r"\s*[<>~]?\s*0*(\d+(\.\d+)?)\s*(y|yr|yrs|year|years|y o|a|ans|años|jahre)?\s*\+?\s*$", value.casefold()
    )
    try:
        age = float(number[1]) if number else float(value)
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= _OLDEST else None
