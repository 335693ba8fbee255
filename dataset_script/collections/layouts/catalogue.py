"""Collections whose files, tables and folders need a few lines each to be listed: entries of `CATALOGUES`.

Each gives one `Listed` an image; what becomes of it is decided in one place. The collections from before 2020 are
NON-COVID whatever they show; those with COVID-19 say on what their labels rest in `provenance`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections import vocabulary
from dataset_script.collections.filesystem import ESCAPES, MISSING, TWICE, Root, clean, descend, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import LabelReading, read_label
from dataset_script.collections.tables import Cells, read_table
from dataset_script.records import Collection, Record, Refusal

APPEARANCE = "has an indeterminate or atypical appearance"
PAEDIATRIC = "is paediatric"
EXCLUDED = "is excluded by the collection itself"
NO_RESULT = "has no test result that decides"


class Listed(NamedTuple):
    """What a collection states of one image, which is the first of `places` that is there."""

    places: tuple[str, ...]
    finding: str
    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: str = ""
    modality: str = ""
    split: str | None = None
    mask: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """A collection: what its root holds, how its images are listed, and how its findings are read."""

    holds: Callable[[Root], bool]
    images: Callable[[Root, str], Iterator[Listed]]
    shape: str
    read: Callable[[str], LabelReading] = read_label


def collect(name: str, path: str, interpretation: Interpretation) -> Collection:
    """Read the folder or zip at `path` by the catalogue `name`.

    Raises:
        UserError: if it holds no such collection, or a finding that is not understood.
    """
    catalogue, flag = CATALOGUES[name], f"--source {name}={path}"
    root = descend(open_root(path, flag), catalogue.holds)
    if not catalogue.holds(root):
        raise UserError(f"{flag} does not hold this collection (the layout is {catalogue.shape})")
    collection, seen = Collection(), set()
    for listed in catalogue.images(root, flag):
        item = _item(root, name, listed, catalogue, interpretation)
        if isinstance(item, Record) and item.file in seen:
            item = Refusal(name, item.file, TWICE)
        seen.add(item.file)
        collection.add(item)
    if not seen:
        raise UserError(f"{flag} lists no images (the layout is {catalogue.shape})")
    interpretation.check(flag, [name], "its findings")
    collection.refuse(name, root.escaping, ESCAPES)
    return collection


def _item(
    root: Root, source: str, listed: Listed, catalogue: Catalogue, interpretation: Interpretation
) -> Record | Refusal:
    inside = [place for place in map(root.inside, listed.places) if place is not None]
    file = next((place for place in inside if root.has(place)), inside[0] if inside else listed.places[0])
    label = interpretation.label(source, listed.finding, catalogue.read)
    reason = listed.reason or vocabulary.reason_to_refuse({"modality": listed.modality, "view": listed.view})
    reason = reason or (label if isinstance(label, str) else None)
    reason = reason or (None if inside else ESCAPES) or (None if root.has(file) else MISSING)
    if reason or isinstance(label, str):
        return Refusal(source, clean(file), reason or str(label))
    return Record(
        source=source,
        label=label,
        finding=clean(listed.finding),
        file=clean(file),
        image=root.ref(file),
        patient_id=listed.patient_id,
        view=interpretation.view(source, listed.view),
        sex=vocabulary.sex_of(listed.sex),
        age=vocabulary.age_of(listed.age),
        split=listed.split,
        mask=root.ref(listed.mask) if listed.mask and root.has(listed.mask) else None,
    )


def _before_covid(finding: str) -> LabelReading:
    """Whatever the finding: all of the collection was taken before COVID-19."""
    return LabelReading(NON_COVID)


def _first(root: Root, pattern: str) -> str | None:
    """The first file right in the root, or one folder below, whose name matches."""
    names = (name for name in root.walk() if name.count("/") < 2)
    return next((name for name in names if re.fullmatch(pattern, PurePosixPath(name).name, re.IGNORECASE)), None)


def _rows(root: Root, name: str, flag: str) -> Iterator[Cells]:
    return (cells for _, cells in read_table(root, name, flag).lines)


def _marked(cells: Cells, columns: list[str]) -> str:
    """The findings whose column holds a 1, joined as NIH ChestX-ray joins them."""
    return "|".join(column for column in columns if cells.get(column, "") in ("1", "1.0"))


_CHEXPERT = [
    *("no finding", "enlarged cardiomediastinum", "cardiomegaly", "lung opacity", "lung lesion", "edema"),
    *("consolidation", "pneumonia", "atelectasis", "pneumothorax", "pleural effusion", "pleural other", "fracture"),
]


def _chexpert(root: Root, flag: str) -> Iterator[Listed]:
    """`Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,…`; paths begin with the name of the folder above."""
    for table in ("train.csv", "valid.csv", "test.csv"):
        for cells in _rows(root, table, flag) if root.has(table) else ():
            path = cells.get("path", "")
            is_lateral = cells.get("frontal/lateral", "").casefold() == "lateral"
            patient = re.search(r"patient\d+", path)
            yield Listed(
                (path, path.partition("/")[2]),
                _marked(cells, _CHEXPERT) or "not labelled",
                patient[0] if patient else "",
                "Lateral" if is_lateral else cells.get("ap/pa") or "Frontal",
                cells.get("sex", ""),
                cells.get("age", ""),
            )


def _mimic(root: Root, flag: str) -> Iterator[Listed]:
    """`dicom_id,subject_id,study_id,…,ViewPosition`; files lie below `files/p10/p10000032/s50414267/`."""
    labels = _first(root, r"mimic-cxr-2\.\d\.\d-chexpert\.csv(\.gz)?")
    rows = _rows(root, labels, flag) if labels else ()
    findings = {cells.get("study_id", ""): _marked(cells, _CHEXPERT) for cells in rows}
    for cells in _rows(root, _first(root, _MIMIC) or "", flag):
        subject, study, image = (cells.get(name, "") for name in ("subject_id", "study_id", "dicom_id"))
        folder = f"files/p{subject[:2]}/p{subject}/s{study}"
        places = tuple(f"{folder}/{image}{suffix}" for suffix in (".jpg", ".dcm", ".png"))
        yield Listed(places, findings.get(study) or "not labelled", subject, cells.get("viewposition", ""))


_MIMIC = r"mimic-cxr-2\.\d\.\d-metadata\.csv(\.gz)?"
_PADCHEST = r"PADCHEST_.*\.csv(\.gz)?"
_EXCLUDED_VIEWS = ("EXCLUDE", "UNK")


def _padchest(root: Root, flag: str) -> Iterator[Listed]:
    """`ImageID,ImageDir,StudyDate_DICOM,PatientID,PatientBirth,PatientSex_DICOM,Projection,Pediatric,Labels,…`."""
    for cells in _rows(root, _first(root, _PADCHEST) or "", flag):
        image, folder = cells.get("imageid", ""), cells.get("imagedir", "").removesuffix(".0")
        born, taken = cells.get("patientbirth", "")[:4], cells.get("studydate_dicom", "")[:4]
        projection = cells.get("projection", "")
        reason = PAEDIATRIC if cells.get("pediatric", "").upper().startswith("PED") else None
        yield Listed(
            (f"{folder}/{image}", image, f"images/{image}"),
            cells.get("labels", "") or "not labelled",
            cells.get("patientid", ""),
            projection,
            cells.get("patientsex_dicom", ""),
            str(int(taken) - int(born)) if born.isdecimal() and taken.isdecimal() else "",
            cells.get("modality_dicom", ""),
            reason=reason or (EXCLUDED if projection in _EXCLUDED_VIEWS else None),
        )


def _vindr(root: Root, flag: str) -> Iterator[Listed]:
    """`image_id,rad_id,Aortic enlargement,…`: a row for each of three radiologists; files in `train/` and `test/`."""
    for split in ("train", "test"):
        table = _first(root, rf"image_labels_{split}\.csv")
        findings: dict[str, list[str]] = defaultdict(list)
        for cells in _rows(root, table, flag) if table else ():
            marked = _marked(cells, [name for name in cells if name not in ("image_id", "rad_id")])
            findings[cells.get("image_id", "")] += [finding for finding in marked.split("|") if finding]
        for image, named in findings.items():
            places = tuple(f"{split}/{image}{suffix}" for suffix in (".dicom", ".dcm", ".png", ".jpg"))
            yield Listed(places, "|".join(dict.fromkeys(named)) or "not labelled")


_APPEARANCES = ("negative for pneumonia", "typical appearance", "indeterminate appearance", "atypical appearance")


def _siim(root: Root, flag: str) -> Iterator[Listed]:
    """Studies with one of four appearances, images of studies; DICOM in `train/STUDY/SERIES/`, or flat."""
    studies = {
        cells.get("id", "").removesuffix("_study"): _marked(cells, list(_APPEARANCES))
        for cells in _rows(root, "train_study_level.csv", flag)
    }
    files = {PurePosixPath(name).stem: name for name in root.walk() if not name.endswith(".csv")}
    for cells in _rows(root, "train_image_level.csv", flag):
        image, study = cells.get("id", "").removesuffix("_image"), cells.get("studyinstanceuid", "")
        yield Listed((files.get(image, f"train/{image}.dcm"),), studies.get(study, ""), study)


def _read_appearance(finding: str) -> LabelReading:
    """Typical for COVID-19 by a radiologist's eye, or without pneumonia; what lies between is neither."""
    if finding == "typical appearance":
        return LabelReading(COVID)
    return LabelReading(NON_COVID) if finding == "negative for pneumonia" else LabelReading(reason=APPEARANCE)


_COVIDQU_CLASSES = {"COVID-19": COVID, "Non-COVID": NON_COVID, "Normal": NON_COVID}


def _covidqu(root: Root, flag: str) -> Iterator[Listed]:
    """`Lung Segmentation Data/…/Train/COVID-19/images/` beside `lung masks/`; the other part holds the same images."""
    names = [name for name in root.walk() if "/images/" in f"/{name}"]
    whole = [name for name in names if "infection segmentation data" not in name.casefold()]
    for name in whole or names:
        parts = name.split("/")
        finding = next((part for part in parts if part in _COVIDQU_CLASSES), "")
        split = next((found for part in parts if (found := vocabulary.split_of(part))), None)
        yield Listed((name,), finding, split=split, mask=name.replace("/images/", "/lung masks/"))


def _read_covidqu(finding: str) -> LabelReading:
    return LabelReading(_COVIDQU_CLASSES.get(finding))


def _covidgr(root: Root, flag: str) -> Iterator[Listed]:
    """`P/` and `N/`; a table beside them, if there is one, gives the severity of the positive ones."""
    table = next((name for name in root.walk() if "/" not in name and name.casefold().endswith(".csv")), None)
    severity: dict[str, str] = {}
    for cells in _rows(root, table, flag) if table else ():
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
    people = _first(root, r"participants\.tsv")
    described = {cells.get("participant", ""): cells for cells in (_rows(root, people, flag) if people else ())}
    tests = _first(root, r"(sil_reposi_covid_19_test|.*covid.*test.*)\.tsv")
    results: dict[str, set[str]] = defaultdict(set)
    for cells in _rows(root, tests, flag) if tests else ():
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


def _has_all(*names: str) -> Callable[[Root], bool]:
    return lambda root: all(root.has(name) for name in names)


def _has_some(pattern: str) -> Callable[[Root], bool]:
    return lambda root: _first(root, pattern) is not None


CATALOGUES = {
    "siim": Catalogue(
        _has_all("train_study_level.csv", "train_image_level.csv"),
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
    "chexpert": Catalogue(_has_all("train.csv"), _chexpert, "train.csv beside train/", _before_covid),
    "mimic": Catalogue(_has_some(_MIMIC), _mimic, "mimic-cxr-2.0.0-metadata.csv beside files/", _before_covid),
    "padchest": Catalogue(_has_some(_PADCHEST), _padchest, "PADCHEST_….csv beside its images", _before_covid),
    "vindr": Catalogue(
        _has_some(r"image_labels_train\.csv"), _vindr, "image_labels_train.csv beside train/", _before_covid
    ),
}
