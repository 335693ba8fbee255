"""What is known of the published collections: for the dataset card, and for users who mix them."""

from typing import NamedTuple

from cxr.schema.dataset import PHANTOM


class Origin(NamedTuple):
    """Where a collection comes from, under which terms, and what in it tells the classes apart besides lungs."""

    title: str
    url: str
    licence: str
    confounders: str


_COVIDX = Origin(
    "COVIDx CXR (COVID-Net), Wang et al. 2020",
    "https://github.com/lindawangg/COVID-Net",
    "each of its sources' own",
    "each of its sources holds mostly one class; its test split is drawn from other sources than much of its training",
)

ORIGINS = {
    "ieee8023": Origin(
        "covid-chestxray-dataset, Cohen et al. 2020 (arXiv:2006.11988)",
        "https://github.com/ieee8023/covid-chestxray-dataset",
        "stated image by image",
        "scans of figures in papers; many COVID images are supine AP",
    ),
    "actualmed": Origin(
        "Actualmed-COVID-chestxray-dataset",
        "https://github.com/agchung/Actualmed-COVID-chestxray-dataset",
        "see its repository",
        "one provider; several images of a patient",
    ),
    "figure1": Origin(
        "Figure1-COVID-chestxray-dataset",
        "https://github.com/agchung/Figure1-COVID-chestxray-dataset",
        "see its repository",
        "photographed screens, marks and text in the image",
    ),
    "covidx": _COVIDX,
    "radiography": Origin(
        "COVID-19 Radiography Database, Chowdhury et al. 2020, Rahman et al. 2021",
        "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
        "see its page",
        "every class comes from other sources; its viral pneumonia is children's; patients are not named",
    ),
    "nih": Origin(
        "NIH ChestX-ray8/14, Wang et al. 2017",
        "https://nihcc.app.box.com/v/ChestXray-NIHCC",
        "free to use, with credit to the NIH Clinical Center",
        "NON-COVID only, taken before 2017 in one hospital; findings were mined from reports",
    ),
    "cxnet": Origin(
        "COVID-CXNet, Haghanifar et al. 2020",
        "https://doi.org/10.6084/m9.figshare.12580328",
        "CC BY 4.0",
        "COVID only, from many web sites, with arrows and text; repeats covid-chestxray-dataset; no patient ids",
    ),
    PHANTOM: Origin("synthetic: drawn by a program, no patient", "", "apache-2.0", "none on purpose"),
}


def origin_of(source: str) -> Origin | None:
    """What is known of a collection; COVIDx names its parts `covidx-…`."""
    return ORIGINS.get(source) or (_COVIDX if source.startswith("covidx-") else None)
