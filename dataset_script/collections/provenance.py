"""What is known of the published collections: for the dataset card, and for users who mix them."""

from typing import NamedTuple

from cxr.schema.dataset import PHANTOM


class Origin(NamedTuple):
    """Where a collection comes from, and what a user of it must know.

    Attributes:
        title: its name and authors.
        url: where to get it.
        licence: its terms.
        confounders: what tells the classes apart besides lungs.
        reference_standard: what its labels rest on, and so what its NON-COVID means.
    """

    title: str
    url: str
    licence: str
    confounders: str
    reference_standard: str


_COVIDX = Origin(
    "COVIDx CXR (COVID-Net), Wang et al. 2020",
    "https://github.com/lindawangg/COVID-Net",
    "each of its sources' own",
    "each of its sources holds mostly one class; its test split is drawn from other sources than much of its training",
    "each of its sources' own",
)

ORIGINS = {
    "ieee8023": Origin(
        "covid-chestxray-dataset, Cohen et al. 2020 (arXiv:2006.11988)",
        "https://github.com/ieee8023/covid-chestxray-dataset",
        "stated image by image",
        "scans of figures in papers; many COVID images are supine AP",
        "the text of the paper or web page that showed the image",
    ),
    "actualmed": Origin(
        "Actualmed-COVID-chestxray-dataset",
        "https://github.com/agchung/Actualmed-COVID-chestxray-dataset",
        "see its repository",
        "one provider; several images of a patient",
        "as stated by the provider, not described",
    ),
    "figure1": Origin(
        "Figure1-COVID-chestxray-dataset",
        "https://github.com/agchung/Figure1-COVID-chestxray-dataset",
        "see its repository",
        "photographed screens, marks and text in the image",
        "as stated by contributors, not described",
    ),
    "covidx": _COVIDX,
    "radiography": Origin(
        "COVID-19 Radiography Database, Chowdhury et al. 2020, Rahman et al. 2021",
        "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
        "see its page",
        "every class comes from other sources; its viral pneumonia is children's; patients are not named",
        "COVID as stated by its sources; NON-COVID: other collections, most from before 2020",
    ),
    "nih": Origin(
        "NIH ChestX-ray8/14, Wang et al. 2017",
        "https://nihcc.app.box.com/v/ChestXray-NIHCC",
        "free to use, with credit to the NIH Clinical Center",
        "NON-COVID only, taken before 2017 in one hospital; findings were mined from reports",
        "all taken before 2020; findings mined from report text",
    ),
    "cxnet": Origin(
        "COVID-CXNet, Haghanifar et al. 2020",
        "https://doi.org/10.6084/m9.figshare.12580328",
        "CC BY 4.0",
        "COVID only, from many web sites, with arrows and text; repeats covid-chestxray-dataset; no patient ids",
        "the text of the web page that showed the image",
    ),
    "siim": Origin(
        "SIIM-FISABIO-RSNA COVID-19 Detection 2021, Lakhani et al. 2023",
        "https://www.kaggle.com/competitions/siim-covid19-detection",
        "competition data: non-commercial research",
        "two archives (BIMCV-COVID19, MIDRC-RICORD); mostly sickbed AP in both classes",
        "radiologists' appearance, not PCR: typical is COVID, negative for pneumonia is NON-COVID",
    ),
    "covidqu": Origin(
        "COVID-QU-Ex, Tahir et al. 2021",
        "https://www.kaggle.com/datasets/anasmohammedtahir/covidqu",
        "CC BY-SA 4.0",
        "different sources for every class; no patient ids; images of many other collections",
        "as stated by its sources; NON-COVID: other infections and normal images of other collections",
    ),
    "covidgr": Origin(
        "COVIDGR 1.0, Tabik et al. 2020 (doi 10.1109/JBHI.2020.3037127)",
        "https://github.com/ari-dasci/OD-covidgr",
        "research use, see its repository",
        "one hospital, PA only; no patient ids",
        "RT-PCR within 24 hours of the radiograph, for both classes",
    ),
    "ricord": Origin(
        "MIDRC-RICORD-1c, Tsai et al. 2021",
        "https://www.cancerimagingarchive.net/collection/midrc-ricord-1c/",
        "CC BY-NC 4.0",
        "COVID only; sickbed AP",
        "RT-PCR; it has no NON-COVID",
    ),
    "bimcv": Origin(
        "BIMCV-COVID19, de la Iglesia Vayá et al. 2020 (arXiv:2006.01174)",
        "https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/",
        "CC BY 4.0",
        "positive and negative parts collected apart; some images of a patient are from before or after the infection",
        "PCR and antibody tests of the patient; NON-COVID: all tests negative",
    ),
    "chexpert": Origin(
        "CheXpert, Irvin et al. 2019 (arXiv:1901.07031)",
        "https://stanfordmlgroup.github.io/competitions/chexpert/",
        "Stanford University dataset research use agreement",
        "NON-COVID only, taken from 2002 to 2017 in one hospital",
        "all taken before 2020; findings mined from report text",
    ),
    "mimic": Origin(
        "MIMIC-CXR, Johnson et al. 2019 (doi 10.1038/s41597-019-0322-0)",
        "https://physionet.org/content/mimic-cxr-jpg/",
        "PhysioNet credentialed health data licence",
        "NON-COVID only, taken from 2011 to 2016 in one emergency department",
        "all taken before 2020; findings mined from report text",
    ),
    "padchest": Origin(
        "PadChest, Bustos et al. 2020 (doi 10.1016/j.media.2020.101797)",
        "https://bimcv.cipf.es/bimcv-projects/padchest/",
        "PadChest research use agreement",
        "NON-COVID only, taken from 2009 to 2017 in one hospital",
        "all taken before 2020; findings from report text, partly by radiologists",
    ),
    "vindr": Origin(
        "VinDr-CXR, Nguyen et al. 2022 (doi 10.1038/s41597-022-01498-w)",
        "https://physionet.org/content/vindr-cxr/",
        "PhysioNet credentialed health data licence",
        "NON-COVID only, taken from 2018 to 2020 in two hospitals; no patient ids in the tables",
        "radiologists' findings; taken before COVID-19 was common there, not tested for it",
    ),
    PHANTOM: Origin(
        "synthetic: drawn by a program, no patient", "", "apache-2.0", "none on purpose", "drawn, so known"
    ),
}


def origin_of(source: str) -> Origin | None:
    """What is known of a collection; COVIDx names its parts `covidx-…`."""
    return ORIGINS.get(source) or (_COVIDX if source.startswith("covidx-") else None)


def reference_standard_of(source: str) -> str:
    """What the labels of a collection rest on; empty where that is not known."""
    origin = origin_of(source)
    return origin.reference_standard if origin else ""
