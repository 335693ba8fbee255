"""Collections of the pandemic, with COVID-19 in some or all of their images; `provenance` says by what standard."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections import boxes, vocabulary
from dataset_script.collections.filesystem import Root
from dataset_script.collections.label_text import LabelReading, read_label
from dataset_script.collections.layouts.catalogue import Catalogue, Listed, first, has_all, marked, rows
from dataset_script.collections.tables import Cells

APPEARANCE = "has an indeterminate or atypical appearance"
NO_RESULT = "has no test result that decides"

_APPEARANCES = ("negative for pneumonia", "typical appearance", "indeterminate appearance", "atypical appearance")


def _siim(root: Root, flag: str) -> Iterator[Listed]:
    """Studies with one of four appearances, images of studies; DICOM in `train/STUDY/SERIES/`, or flat.

    Boxes are in pixels of the DICOM images; tables that come with smaller ones have their size in `dim0` and `dim1`.
    """
    sizes = _siim_sizes(root, flag)
    studies = {
        cells.get("id", "").removesuffix("_study"): marked(cells, list(_APPEARANCES))
        for cells in rows(root, "train_study_level.csv", flag)
    }
    files = {PurePosixPath(name).stem: name for name in root.walk() if not name.endswith(".csv")}
    for cells in rows(root, "train_image_level.csv", flag):
        image, study = cells.get("id", "").removesuffix("_image"), cells.get("studyinstanceuid", "")
        marked_boxes = boxes.scaled(boxes.parse_siim(cells.get("boxes", "")), sizes.get(image, cells))
        place = files.get(image, f"train/{image}.dcm")
        yield Listed((place,), studies.get(study, ""), study, boxes=marked_boxes)


def _siim_sizes(root: Root, flag: str) -> dict[str, Cells]:
    """The rows of the table of original sizes that comes with smaller versions of the files, by image."""
    table = first(root, r"(train_)?meta\.csv")
    sized = rows(root, table, flag) if table else ()
    return {(cells.get("image_id") or cells.get("id", "")).removesuffix("_image"): cells for cells in sized}


def _read_appearance(finding: str) -> LabelReading:
    """Typical for COVID-19 by a radiologist's eye, or without pneumonia; what lies between is neither."""
    if finding == "typical appearance":
        return LabelReading(COVID)
    return LabelReading(NON_COVID) if finding == "negative for pneumonia" else LabelReading(reason=APPEARANCE)


_COVIDQU_CLASSES = {"COVID-19": COVID, "Non-COVID": NON_COVID, "Normal": NON_COVID}


def _covidqu(root: Root, flag: str) -> Iterator[Listed]:
    """`Lung Segmentation Data/…/Train/COVID-19/images/` beside `lung masks/`.

    The other part, `Infection Segmentation Data`, holds some of the same images, and masks of what is infected in them.
    """
    infected = {PurePosixPath(name).name: name for name in root.walk() if "/infection masks/" in name}
    names = [name for name in root.walk() if "/images/" in f"/{name}"]
    whole = [name for name in names if "infection segmentation data" not in name.casefold()]
    for name in whole or names:
        parts = name.split("/")
        finding = next((part for part in parts if part in _COVIDQU_CLASSES), "")
        split = next((found for part in parts if (found := vocabulary.split_of(part))), None)
        yield Listed(
            (name,),
            finding,
            split=split,
            mask=name.replace("/images/", "/lung masks/"),
            lesions=infected.get(PurePosixPath(name).name, ""),
        )


def _read_covidqu(finding: str) -> LabelReading:
    return LabelReading(_COVIDQU_CLASSES.get(finding))


def _covidgr(root: Root, flag: str) -> Iterator[Listed]:
    """`P/` and `N/`; a table beside them, if there is one, gives the severity of the positive ones."""
    table = next((name for name in root.walk() if "/" not in name and name.casefold().endswith(".csv")), None)
    severity: dict[str, str] = {}
    for cells in rows(root, table, flag) if table else ():
        values = list(cells.values())
        severity |= {PurePosixPath(values[0]).stem: values[-1]} if len(values) > 1 else {}
    for folder in ("P", "N"):
        for name in root.walk(folder):
            grade = severity.get(PurePosixPath(name).stem, "")
            yield Listed((name,), f"{folder}, {grade}" if grade else folder, view="PA")


def _read_covidgr(finding: str) -> LabelReading:
    """By RT-PCR: `P` also where the radiograph shows nothing (severity Normal-PCR+)."""
    return LabelReading(COVID if finding.startswith("P") else NON_COVID)


_RICORD = r"MIDRC-RICORD-1C-\d+-\d+"


def _ricord(root: Root, flag: str) -> Iterator[Listed]:
    """DICOM below `MIDRC-RICORD-1C-419639-000082/STUDY/SERIES/`; every patient had COVID-19 by RT-PCR."""
    for name in root.walk():
        patient = re.search(_RICORD, name, re.IGNORECASE)
        if patient and root.is_image(name):
            yield Listed((name,), "COVID-19", patient[0])


_BIMCV = r"(?P<patient>sub-S\d+)_ses-E\d+_.*?vp-(?P<view>[a-z-]+)_(?P<modality>[a-z]+)\.(png|dcm|jpg)"


def _bimcv(root: Root, flag: str) -> Iterator[Listed]:
    """`sub-S03047/ses-E06030/mod-rx/sub-…_vp-pa_cr.png`; a patient is what any of the tests says, else the folder."""
    people = first(root, r"participants\.tsv")
    described = {cells.get("participant", ""): cells for cells in (rows(root, people, flag) if people else ())}
    tests = first(root, r"(sil_reposi_covid_19_test|.*covid.*test.*)\.tsv")
    results: dict[str, set[str]] = defaultdict(set)
    for cells in rows(root, tests, flag) if tests else ():
        result = cells.get("result", "")
        results[cells.get("participant", "")].add(result.casefold())
    for name in root.walk():
        match = re.fullmatch(_BIMCV, PurePosixPath(name).name, re.IGNORECASE)
        if match:
            patient, view = match["patient"], match["view"].upper()
            known = described.get(patient, {})
            yield Listed(
                (name,),
                _bimcv_result(results.get(patient, set()), name),
                patient,
                "" if view == "NONE" else view,
                known.get("gender", known.get("sex", "")),
                re.sub(r"[\[\]']", "", known.get("age", "")).split(",")[0],
                match["modality"],
            )


def _bimcv_result(results: set[str], name: str) -> str:
    if any(result.startswith("posi") for result in results):
        return "POSITIVO"
    if results and all(result.startswith("nega") for result in results):
        return "NEGATIVO"
    folder = re.search(r"covid19_(posi|neg)", name, re.IGNORECASE)
    return "" if results or folder is None else ("POSITIVO" if folder[1].casefold() == "posi" else "NEGATIVO")


def _read_bimcv(finding: str) -> LabelReading:
    return read_label(finding) if finding else LabelReading(reason=NO_RESULT)


CATALOGUES = {
    "siim": Catalogue(
        has_all("train_study_level.csv", "train_image_level.csv"),
        _siim,
        "train_study_level.csv and train_image_level.csv beside train/",
        _read_appearance,
    ),
    "covidqu": Catalogue(
        lambda root: any("/images/" in name for name in root.walk()),
        _covidqu,
        "Lung Segmentation Data with Train, Val and Test",
        _read_covidqu,
    ),
    "covidgr": Catalogue(
        lambda root: {"P", "N"} <= set(root.folders()), _covidgr, "the folders P and N", _read_covidgr
    ),
    "ricord": Catalogue(
        lambda root: any(re.fullmatch(_RICORD, folder, re.IGNORECASE) for folder in root.folders()),
        _ricord,
        "folders MIDRC-RICORD-1C-… with DICOM files",
    ),
    "bimcv": Catalogue(
        lambda root: any(re.search(r"sub-S\d+", name) for name in root.walk()),
        _bimcv,
        "participants.tsv and folders sub-S…/ses-E…/mod-rx",
        _read_bimcv,
    ),
}
