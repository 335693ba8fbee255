"""What leaves a DICOM header: modality, view, sex, age and a patient's pseudonym; no name, number, date or free text.

Views are named as in the dataset contract. They come from View Position, else from the view's code, else from the
descriptions of series and protocol; Patient Orientation tells a lateral from a frontal view where none of these do.
Body Part Examined is not used: in real collections it says SKULL or ABDOMEN on chest radiographs.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cxr.imaging.views import Projection, posture_in, read_view, view_of_code, view_of_orientation
from cxr.patient_key import is_stop_gap, patient_hash
from cxr.schema.dataset import FOR_PROCESSING, NOT_FRONTAL, NOT_X_RAY

if TYPE_CHECKING:
    from pydicom import Dataset

NOT_A_FRONTAL_VIEW = "not frontal"
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "StudyDescription")
_POSTURES = {"AP": {"Supine", "Semi Erect", "Erect", "Upright", "Portable"}, "PA": {"Erect"}}
AGE_CAP = 90
"""Age of all older patients: above 89 an age can identify a person (45 CFR 164.514(b)(2)(i)(C))."""

TAGS = [
    "SOPClassUID",
    "Modality",
    "ViewPosition",
    "ViewCodeSequence",
    "PatientOrientation",
    "PresentationIntentType",
    "SeriesDescription",
    "StudyDescription",
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PatientSex",
    "PatientAge",
    "PatientBirthDate",
    "AcquisitionDate",
    "StudyDate",
    "SeriesDate",
    "ContentDate",
    "PatientID",
    "IssuerOfPatientID",
    "StudyInstanceUID",
]
"""The only attributes that are read; the patient's name is not among them."""

_X_RAY = {"CR", "DX", "DR", "RG", "XR"}
_UNSPECIFIED = {"", "OT", "SC", "HC"}
_OTHER_CLASSES = re.compile(r"\b(CT|MR|PET|Positron|Nuclear|Ultrasound|Endoscopic|Microscopic|Mammography|Photo\w*)\b")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True)
class DicomHeader:
    """What a DICOM header says about its image; empty where unknown.

    Attributes:
        modality: DICOM's code if it is one of the known ones, else "other".
        view: a word of the dataset contract (PA, AP, AP Supine …) or `not frontal`.
        sex: M or F.
        age: in years, 90 for all from 90 on.
        patient: the pseudonym; empty without a key or where the file identifies no patient.
        for_processing: whether the values are a detector's, before the processing that makes them a radiograph.
    """

    modality: str
    view: str
    sex: str
    age: float | None
    patient: str
    for_processing: bool = False

    @property
    def refusal(self) -> str | None:
        """Why this is not a frontal X-ray; None if it may be one."""
        if self.modality == "other" or self.modality not in _X_RAY | _UNSPECIFIED:
            return NOT_X_RAY
        if self.for_processing:
            return FOR_PROCESSING
        return NOT_FRONTAL if self.view == NOT_A_FRONTAL_VIEW else None


def read_header(dataset: "Dataset", key: bytes | None) -> DicomHeader:
    """Collect these facts; the patient's pseudonym only with a key."""
    return DicomHeader(
        _modality(dataset),
        _view(dataset),
        _sex(dataset),
        _age(dataset),
        _patient(dataset, key) if key else "",
        _is_for_processing(dataset),
    )


def text_of(dataset: "Dataset", keyword: str) -> str:
    """An attribute as stripped text; of several values the first, empty where there is none or it is broken."""
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, ArithmeticError):
        return ""
    if value is None or isinstance(value, bytes):
        return ""
    if not isinstance(value, str) and isinstance(value, Iterable):
        value = next(iter(value), "")
    return str(value).strip(" \0")


def _modality(dataset: "Dataset") -> str:
    """The modality's code; where it is unspecific, the SOP class decides."""
    code = text_of(dataset, "Modality").upper()
    if code in _X_RAY:
        return code
    if code not in _UNSPECIFIED:
        return code if code in ("CT", "MR", "MG", "US", "NM", "PT", "RF", "XA", "PX", "IO") else "other"
    kind = getattr(dataset.get("SOPClassUID"), "name", "")
    return "other" if _OTHER_CLASSES.search(kind) else code


def _is_for_processing(dataset: "Dataset") -> bool:
    """Whether the file says so by its presentation intent or its class (PS3.3 C.8.11.1)."""
    if text_of(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        return True
    return "For Processing" in getattr(dataset.get("SOPClassUID"), "name", "")


def _view(dataset: "Dataset") -> str:
    """View Position, else the view's code, its meaning, the descriptions, Patient Orientation, whichever tells."""
    code = next(iter(dataset.get("ViewCodeSequence") or ()), None)
    position, meaning = text_of(dataset, "ViewPosition"), "" if code is None else text_of(code, "CodeMeaning")
    described = [text_of(dataset, keyword) for keyword in _DESCRIPTIONS]
    views = [read_view(position)]
    views += [] if code is None else [view_of_code(text_of(code, "CodeValue")), read_view(meaning)]
    views += map(read_view, described)
    known = next((view for view in views if view.projection is not Projection.UNKNOWN), None)
    if known is None:
        known = view_of_orientation(*_orientation(dataset))
    if known.projection is Projection.OTHER:
        return NOT_A_FRONTAL_VIEW
    return _with_posture(known.name, [position, *described])


def _with_posture(name: str, texts: Sequence[str]) -> str:
    """A frontal view's name with the posture that another text adds: AP of "AP", "Thorax im Liegen" is AP Supine."""
    if name not in ("AP", "PA"):
        return name
    postures = (posture_in(text) for text in texts)
    return next((f"{name} {posture}" for posture in postures if posture in _POSTURES[name]), name)


def _orientation(dataset: "Dataset") -> tuple[str, str]:
    """The directions of rows and columns (PS3.3 C.7.6.1.1.1); empty where they are not stated."""
    try:
        value = dataset.get("PatientOrientation")
    except (ValueError, TypeError):
        return "", ""
    parts = [str(part) for part in value] if isinstance(value, Iterable) and not isinstance(value, str) else []
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def _sex(dataset: "Dataset") -> str:
    sex = text_of(dataset, "PatientSex")[:1].upper()
    return sex if sex in ("M", "F") else ""


def _age(dataset: "Dataset") -> float | None:
    age = re.fullmatch(r"(\d{1,3})\s*([DWMY]?)", text_of(dataset, "PatientAge").upper())
    years = int(age[1]) * _YEARS[age[2] or "Y"] if age else _years_between(dataset)
    return None if years is None or not 0 <= years <= 120 else float(min(round(years, 2), AGE_CAP))


def _years_between(dataset: "Dataset") -> int | None:
    """Whole years from birth to acquisition."""
    dates = (text_of(dataset, name) for name in ("AcquisitionDate", "StudyDate", "SeriesDate", "ContentDate"))
    birth, day = _date(text_of(dataset, "PatientBirthDate")), next(filter(None, map(_date, dates)), None)
    if birth is None or day is None:
        return None
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _date(text: str) -> date | None:
    digits = re.sub(r"[.\-/]", "", text)[:8]  # old files write 2020.03.24
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _patient(dataset: "Dataset", key: bytes) -> str:
    """The patient's pseudonym, or that of the study, which has one patient, where the patient has no real number."""
    number = text_of(dataset, "PatientID")
    if not is_stop_gap(number) and number.strip("0"):
        return patient_hash(key, number, text_of(dataset, "IssuerOfPatientID"))
    study = text_of(dataset, "StudyInstanceUID")
    return patient_hash(key, study, "StudyInstanceUID") if study else ""
