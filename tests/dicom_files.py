"""DICOM files made for the tests: one patient whose name, number and dates must never come out again."""

import io
import warnings

import imagecodecs
import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

SHAPE = 96, 80
SECRETS = {
    "PatientName": "Quixotic^Zebedee",
    "PatientID": "MRN-4711-0815",
    "PatientBirthDate": "19630517",
    "StudyDate": "20200324",
    "AccessionNumber": "ACC987654",
    "ReferringPhysicianName": "Houseman^Gregoria",
    "InstitutionName": "Saint Elsewhere",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.771177",
}


def exposure(bits: int = 12, seed: int = 0) -> np.ndarray:
    """Smooth shades with noise that use the whole depth, uint8 or uint16 (96, 80)."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 30
    noise = np.random.default_rng(seed).normal(0, 0.01, SHAPE)
    shades = np.clip(0.5 + 0.48 * np.sin(x + 1) * np.cos(y) + noise, 0, 1)
    return np.rint(shades * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def dataset(values: np.ndarray, bits: int | None = None, **elements: object) -> Dataset:
    """A chest radiograph of `SECRETS` with these stored values, uncompressed."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, "1.2.3.4"
    made.Modality, made.ViewPosition, made.PatientSex = "DX", "PA", "F"
    made.Rows, made.Columns = values.shape[:2]
    made.SamplesPerPixel = 3 if values.ndim == 3 else 1
    made.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = 8 * values.itemsize
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(values.dtype.kind == "i")
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    for keyword, value in (SECRETS | elements).items():
        _set(made, keyword, value)
    return made


def _set(made: Dataset, keyword: str, value: object) -> None:
    """None takes an element out; values against the standard are what some tests are about."""
    if value is None:
        made.pop(keyword, None)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(made, keyword, value)


def written(made: Dataset, syntax: str = uid.ExplicitVRLittleEndian) -> bytes:
    """The bytes of a DICOM file; pixels are written as they stand in the data set."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.UID(syntax)
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = made.SOPClassUID, "1.2.3.4"
    stream = io.BytesIO()
    encoding = {"implicit_vr": False, "little_endian": True} if made.file_meta.TransferSyntaxUID.is_private else {}
    pydicom.dcmwrite(stream, made, enforce_file_format=True, **encoding)
    return stream.getvalue()


def dicom(values: np.ndarray, bits: int | None = None, **elements: object) -> bytes:
    """An uncompressed DICOM file."""
    return written(dataset(values, bits, **elements))


def bare(made: Dataset, implicit: bool = False, little: bool = True) -> bytes:
    """A data set with neither preamble nor meta header, as some archives keep it."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    write_dataset(stream, made)
    return stream.getvalue()


def compressed(made: Dataset, syntax: str, frame: bytes) -> bytes:
    """A DICOM file with this frame as its image."""
    made.PixelData = encapsulate([frame])
    made["PixelData"].is_undefined_length = True
    made["PixelData"].VR = "OB"
    return written(made, syntax)


def jpeg(values: np.ndarray, **options: object) -> bytes:
    """JPEG of 8 or 12 bits, lossy or (`lossless=True`) of any depth."""
    return imagecodecs.jpeg8_encode(values, **({"level": 98} | options))
