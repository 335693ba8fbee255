"""The names that people give to classes and splits, in folders and tables."""

import re

from cxr.schema.labels import COVID, LABELS, NON_COVID

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
_SHOWN = 11
_SPLITS = {
    "train": "train training train_set training_set train_data training_data trn",
    "validation": "val valid validation validate validation_set val_set val_data validation_data dev",
    "test": "test testing test_set testing_set test_data testing_data tst holdout",
}


def plain(name: str) -> str:
    """A name without case, spaces and punctuation: `COVID-19` and `covid 19` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


_LABEL_OF = {plain(name): COVID for name in _COVID.split()} | {plain(name): NON_COVID for name in _NON_COVID.split()}
_SPLIT_OF = {plain(name): split for split, names in _SPLITS.items() for name in names.split()}


def label_of(name: str) -> int | None:
    """The label that a class name stands for, None if it is unknown."""
    return _LABEL_OF.get(plain(name))


def split_of(name: str) -> str | None:
    """The split that a folder or table name stands for, None if it is unknown."""
    return _SPLIT_OF.get(plain(name))


def known_labels() -> str:
    """The class names understood, in words for a message."""
    covid, other = (", ".join(names.split()[:_SHOWN]) for names in (_COVID, _NON_COVID))
    return f"{LABELS[COVID]}: {covid}, …; {LABELS[NON_COVID]}: {other}, …"
