"""Collections from before COVID-19, which are NON-COVID whatever they show."""

import re
from collections import defaultdict
from collections.abc import Iterator

from cxr.schema.labels import NON_COVID
from dataset_script.collections.filesystem import Root
from dataset_script.collections.label_text import LabelReading
from dataset_script.collections.layouts.catalogue import Catalogue, Listed, first, has_all, has_some, marked, rows

PAEDIATRIC = "is paediatric"
EXCLUDED = "is excluded by the collection itself"


def _before_covid(finding: str) -> LabelReading:
    """Whatever the finding: all of the collection was taken before COVID-19."""
    return LabelReading(NON_COVID)


_CHEXPERT = [
    *("no finding", "enlarged cardiomediastinum", "cardiomegaly", "lung opacity", "lung lesion", "edema"),
    *("consolidation", "pneumonia", "atelectasis", "pneumothorax", "pleural effusion", "pleural other", "fracture"),
]


def _chexpert(root: Root, flag: str) -> Iterator[Listed]:
    """`Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,…`; paths begin with the name of the folder above."""
    for table in ("train.csv", "valid.csv", "test.csv"):
        for cells in rows(root, table, flag) if root.has(table) else ():
            path = cells.get("path", "")
            is_lateral = cells.get("frontal/lateral", "").casefold() == "lateral"
            patient = re.search(r"patient\d+", path)
            yield Listed(
                (path, path.partition("/")[2]),
                marked(cells, _CHEXPERT) or "not labelled",
                patient[0] if patient else "",
                "Lateral" if is_lateral else cells.get("ap/pa") or "Frontal",
                cells.get("sex", ""),
                cells.get("age", ""),
            )


def _mimic(root: Root, flag: str) -> Iterator[Listed]:
    """`dicom_id,subject_id,study_id,…,ViewPosition`; files lie below `files/p10/p10000032/s50414267/`."""
    labels = first(root, r"mimic-cxr-2\.\d\.\d-chexpert\.csv(\.gz)?")
    labelled = rows(root, labels, flag) if labels else ()
    findings = {cells.get("study_id", ""): marked(cells, _CHEXPERT) for cells in labelled}
    for cells in rows(root, first(root, _MIMIC) or "", flag):
        subject, study, image = (cells.get(name, "") for name in ("subject_id", "study_id", "dicom_id"))
        folder = f"files/p{subject[:2]}/p{subject}/s{study}"
        places = tuple(f"{folder}/{image}{suffix}" for suffix in (".jpg", ".dcm", ".png"))
        yield Listed(places, findings.get(study) or "not labelled", subject, cells.get("viewposition", ""))


_MIMIC = r"mimic-cxr-2\.\d\.\d-metadata\.csv(\.gz)?"
_PADCHEST = r"PADCHEST_.*\.csv(\.gz)?"
_EXCLUDED_VIEWS = ("EXCLUDE", "UNK")


def _padchest(root: Root, flag: str) -> Iterator[Listed]:
    """`ImageID,ImageDir,StudyDate_DICOM,PatientID,PatientBirth,PatientSex_DICOM,Projection,Pediatric,Labels,…`."""
    for cells in rows(root, first(root, _PADCHEST) or "", flag):
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
        table = first(root, rf"image_labels_{split}\.csv")
        findings: dict[str, list[str]] = defaultdict(list)
        for cells in rows(root, table, flag) if table else ():
            found = marked(cells, [name for name in cells if name not in ("image_id", "rad_id")])
            findings[cells.get("image_id", "")] += [finding for finding in found.split("|") if finding]
        for image, named in findings.items():
            places = tuple(f"{split}/{image}{suffix}" for suffix in (".dicom", ".dcm", ".png", ".jpg"))
            yield Listed(places, "|".join(dict.fromkeys(named)) or "not labelled")


CATALOGUES = {
    "chexpert": Catalogue(has_all("train.csv"), _chexpert, "train.csv beside train/", _before_covid),
    "mimic": Catalogue(has_some(_MIMIC), _mimic, "mimic-cxr-2.0.0-metadata.csv beside files/", _before_covid),
    "padchest": Catalogue(has_some(_PADCHEST), _padchest, "PADCHEST_….csv beside its images", _before_covid),
    "vindr": Catalogue(
        has_some(r"image_labels_train\.csv"), _vindr, "image_labels_train.csv beside train/", _before_covid
    ),
}
