"""What people write for class, split, modality, view, sex and age, in folders and tables, and what we make of it.

Every vocabulary is a list of spellings; case, spaces and punctuation do not matter.
"""

import math
import re

from cxr.schema.labels import COVID, LABELS, NON_COVID

UNDECIDED = "has no finding yet"
UNKNOWN = "has a finding we do not know"

_COVID = """
    covid covid19 covid_positive positive corona coronavirus sars_cov_2 ncov 2019_ncov covid19_positive covid_pneumonia
    covid19_pneumonia corona_virus corona_virus_disease coronavirus_disease covid_cases covid_patients with_covid
"""
_NON_COVID = """
    noncovid normal no_finding negative healthy control pneumonia viral_pneumonia bacterial_pneumonia lung_opacity other
    non_covid19 no_covid no_covid19 not_covid not_covid19 without_covid covid_negative covid19_negative no_findings
    controls non_covid_pneumonia common_pneumonia other_pneumonia viral virus bacterial bacteria others lung_opacities
    opacity abnormal tuberculosis tb sars mers ards atelectasis cardiomegaly effusion pleural_effusion fibrosis
    emphysema edema pneumothorax
"""
_OTHER_FINDINGS = """
    pneumonia viral bacterial fungal lipoid aspiration ards sars mers merscov mers_cov_2 h1n1 influenza herpes varicella
    adenovirus rsv staphylococcus streptococcus klebsiella legionella mycoplasma chlamydophila chlamydia e_coli ecoli
    mrsa nocardia pneumocystis aspergillosis tuberculosis swine_origin_influenza_a_h1n1_viral_pneumonia allergic
    chronic_eosinophilic_pneumonia eosinophilic organizing_pneumonia hypersensitivity
"""
_UNDECIDED = "unknown todo pending na nan none tba tbd undetermined inconclusive"
_SPLITS = {
    "train": "train training train_set training_set train_data training_data trn",
    "validation": "val valid validation validate validation_set val_set val_data validation_data dev",
    "test": "test testing test_set testing_set test_data testing_data tst holdout",
}
_X_RAY = "xray cr dx dr cxr radiograph"
_VIEWS = ("PA", "AP", "AP Supine", "AP Semi Erect", "AP Erect", "AP Upright", "AP Portable", "PA Erect")
_MORE_VIEWS = {"posteroanterior": "PA", "anteroposterior": "AP"}
_NOT_FRONTAL = "l ll lat lateral left_lateral right_lateral axial coronal sagittal oblique"
_SEXES = {"M": "m male man", "F": "f female woman"}
_OLDEST = 120
_SHOWN = 11


def plain(name: str) -> str:
    """A name without case, spaces and punctuation: `COVID-19` and `covid 19` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _plain_set(names: str) -> set[str]:
    return {plain(name) for name in names.split()}


_LABEL_OF = dict.fromkeys(_plain_set(_COVID), COVID) | dict.fromkeys(_plain_set(_NON_COVID), NON_COVID)
_OTHER_FINDING = _plain_set(_OTHER_FINDINGS)
_NO_FINDING_YET = {"", *_plain_set(_UNDECIDED)}
_SPLIT_OF = {name: split for split, names in _SPLITS.items() for name in _plain_set(names)}
_MODALITY = {"", *_plain_set(_X_RAY)}
_FRONTAL = {plain(name): name for name in _VIEWS} | _MORE_VIEWS
_LATERAL = _plain_set(_NOT_FRONTAL)
_SEX_OF = {name: sex for sex, names in _SEXES.items() for name in names.split()}


def label_of(name: str) -> int | None:
    """The label that a class name stands for, None if it is unknown."""
    return _LABEL_OF.get(plain(name))


def known_labels() -> str:
    """The class names understood, in words for a message."""
    covid, other = (", ".join(names.split()[:_SHOWN]) for names in (_COVID, _NON_COVID))
    return f"{LABELS[COVID]}: {covid}, …; {LABELS[NON_COVID]}: {other}, …"


def finding_label(finding: str) -> int | str:
    """The label that a finding stands for, or the reason for leaving its image out.

    COVID for `COVID-19`, `COVID-19, ARDS` and `Pneumonia/Viral/COVID-19`; a list or path is known by any of its parts.
    """
    name = plain(finding)
    if name in _NO_FINDING_YET:
        return UNDECIDED
    if label_of(finding) == COVID:
        return COVID
    if "covid" in name:
        return NON_COVID if name.startswith(("no", "neg")) or name.endswith("negative") else COVID
    parts = [plain(part) for part in re.split(r"[/,;|]", finding)]
    is_known = any(part in _OTHER_FINDING or label_of(part) == NON_COVID for part in parts)
    return NON_COVID if is_known else UNKNOWN


def split_of(name: str) -> str | None:
    """The split that a folder or table name stands for, None if it is unknown."""
    return _SPLIT_OF.get(plain(name))


def is_x_ray(modality: str) -> bool:
    """Whether a modality is X-ray or not stated."""
    return plain(modality) in _MODALITY


def frontal_view(value: str) -> str | None:
    """The frontal view that a value names, as `PA`, `AP`, `AP Supine` …; None for every other value."""
    return _FRONTAL.get(plain(value))


def is_not_frontal(value: str) -> bool:
    """Whether a value clearly names a lateral view or a slice."""
    return plain(value) in _LATERAL


def sex_of(value: str) -> str:
    """`M`, `F` or, unknown, an empty string."""
    return _SEX_OF.get(value.casefold(), "")


def age_of(value: str) -> float | None:
    """Age in years, None where it is unknown or impossible; `045Y` and `90+` are understood."""
    try:
        age = float(value.casefold().rstrip("y+ "))
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= _OLDEST else None
