"""Modality, view, sex and age are read from a header; the patient's name, number and dates never leave it."""

import pickle

import numpy as np
import pytest
from dicom_files import SECRETS, dicom, exposure
from pydicom import uid
from pydicom.dataset import Dataset

from cxr.imaging.reader import read_radiograph
from cxr.patient_key import new_key, patient_hash
from cxr.schema.dataset import NOT_FRONTAL, NOT_X_RAY

IMAGE = exposure(8)
KEY = bytes(range(32))


def header(**elements: object):
    return read_radiograph(dicom(IMAGE, **elements), patient_key=KEY).header


def test_other_formats_have_no_header(tmp_path):
    from PIL import Image

    Image.fromarray(IMAGE).save(tmp_path / "x.png")
    assert read_radiograph(tmp_path / "x.png", patient_key=KEY).header is None


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "DR", "OT", "", None])
def test_x_rays_are_accepted(modality):
    facts = header(Modality=modality)
    assert facts.refusal is None
    assert facts.modality == (modality or "")


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "PT", "XA", "SEG", "SMITH^JOHN"])
def test_other_modalities_are_recognised(modality):
    facts = header(Modality=modality)
    assert facts.refusal == NOT_X_RAY
    assert facts.modality in (modality, "other")
    assert "SMITH" not in repr(facts)


@pytest.mark.parametrize("kind", [uid.CTImageStorage, uid.MRImageStorage, uid.UltrasoundImageStorage])
def test_the_sop_class_decides_where_the_modality_is_unspecific(kind):
    assert header(Modality="OT", SOPClassUID=kind).refusal == NOT_X_RAY
    assert header(Modality="CR", SOPClassUID=uid.SecondaryCaptureImageStorage).refusal is None


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewPosition": "AP", "SeriesDescription": "Thorax liegend"}, "AP Supine"),
        ({"ViewPosition": "AP", "SeriesDescription": "PORTABLE CHEST"}, "AP Portable"),
        ({"ViewPosition": "AP", "ProtocolName": "W Chest a.p. semi-erect"}, "AP Semi Erect"),
        ({"ViewPosition": "PA", "SeriesDescription": "chest PA erect"}, "PA Erect"),
        ({"ViewPosition": "PA", "SeriesDescription": "chest portable"}, "PA"),
        ({"ViewPosition": "LL"}, "not frontal"),
        ({"ViewPosition": "RL"}, "not frontal"),
        ({"ViewPosition": "LATERAL"}, "not frontal"),
        ({"ViewPosition": "LLD"}, "not frontal"),
        ({"ViewPosition": "RLO"}, "not frontal"),
        ({"ViewPosition": "LL", "SeriesDescription": "chest PA"}, "not frontal"),
        ({"SeriesDescription": "Chest PA"}, "PA"),
        ({"SeriesDescription": "W033 Chest p.a."}, "PA"),
        ({"SeriesDescription": "THORAX_LAT"}, "not frontal"),
        ({"SeriesDescription": "Rx torax lateral izq"}, "not frontal"),
        ({"ProtocolName": "Chest AP"}, "AP"),
        ({"SeriesDescription": "Chest PA and lateral"}, ""),
        ({"SeriesDescription": "PA and lateral", "PatientOrientation": ["A", "F"]}, "not frontal"),
        ({"SeriesDescription": "Chest lateral decubitus"}, "not frontal"),
        ({"SeriesDescription": "apical capsule of the spa"}, ""),
        ({"PatientOrientation": ["A", "F"]}, "not frontal"),
        ({"PatientOrientation": ["P", "F"]}, "not frontal"),
        ({"PatientOrientation": ["L", "F"]}, ""),
        ({}, ""),
    ],
)
def test_views(elements, view):
    facts = header(**{"ViewPosition": None} | elements)
    assert facts.view == view
    assert facts.refusal == (NOT_FRONTAL if view in ("lateral", "oblique", "not frontal") else None)


@pytest.mark.parametrize(
    ("meaning", "view"), [("postero-anterior", "PA"), ("antero-posterior", "AP"), ("left lateral", "not frontal")]
)
def test_view_codes(meaning, view):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "R-1", "SRT", meaning
    assert header(ViewPosition=None, ViewCodeSequence=[code]).view == view


@pytest.mark.parametrize(
    ("elements", "age"),
    [
        ({"PatientAge": "045Y"}, 45.0),
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientAge": "010W"}, 0.19),
        ({"PatientAge": "099Y"}, 90.0),
        ({"PatientAge": "45"}, 45.0),
        ({}, 56.0),  # born on 17 May 1963, taken on 24 March 2020
        ({"StudyDate": "20200517"}, 57.0),
        ({"StudyDate": "20530517"}, 90.0),
        ({"PatientBirthDate": "19000101"}, 90.0),
        ({"PatientBirthDate": "18000101"}, None),
        ({"PatientBirthDate": ""}, None),
        ({"StudyDate": None}, None),
        ({"PatientBirthDate": "20210101"}, None),
    ],
)
def test_ages(elements, age):
    assert header(**elements).age == age


@pytest.mark.parametrize(("sex_in_header", "sex"), [("M", "M"), ("F", "F"), ("O", ""), ("", ""), (None, "")])
def test_sexes(sex_in_header, sex):
    assert header(PatientSex=sex_in_header).sex == sex


def test_a_patient_is_a_keyed_hash():
    pseudonym = header().patient
    assert pseudonym == patient_hash(KEY, SECRETS["PatientID"])
    assert pseudonym == header(PatientName="Married^Name", StudyDate="20210101").patient
    assert pseudonym != header(PatientID="MRN-4711-0816").patient
    assert pseudonym != header(IssuerOfPatientID="OTHER HOSPITAL").patient
    assert pseudonym != read_radiograph(dicom(IMAGE), patient_key=new_key()).header.patient
    assert read_radiograph(dicom(IMAGE)).header.patient == ""


@pytest.mark.parametrize("number", ["", None, "ANONYMOUS", "anonymized", "0", "000000", "XXXX", "Unknown"])
def test_without_a_patient_number_images_are_grouped_by_study(number):
    facts = header(PatientID=number)
    assert facts.patient
    assert facts.patient == header(PatientID=number, PatientName="A^B").patient
    assert facts.patient != header(PatientID=number, StudyInstanceUID="1.2.3").patient
    assert header(PatientID=number, StudyInstanceUID=None).patient == ""


def test_no_secret_is_in_anything_returned():
    raw = dicom(IMAGE, SeriesDescription="Zebedee PA", ProtocolName="19630517", PatientAge="056Y")
    for key in (None, KEY):
        returned = pickle.dumps(read_radiograph(raw, patient_key=key))
        printed = repr(read_radiograph(raw, patient_key=key)).encode()
        for secret in SECRETS.values():
            for part in secret.encode().split(b"^"):
                assert part in raw
                assert part not in returned
                assert part not in printed


def test_nor_in_a_refusal():
    for broken in ({"NumberOfFrames": 3}, {"PixelData": None}, {"Rows": 9999}, {"BitsAllocated": 13}):
        with pytest.raises(Exception) as caught:  # noqa: PT011 its text is checked below
            read_radiograph(dicom(IMAGE, **broken), patient_key=KEY)
        kept = pickle.dumps(caught.value) + str(caught.value).encode() + caught.value.reason.encode()
        assert not any(part.encode() in kept for secret in SECRETS.values() for part in secret.split("^"))


def test_a_header_alone_changes_no_pixel():
    assert np.array_equal(read_radiograph(dicom(IMAGE, Modality="CT", ViewPosition="LL")).pixels, IMAGE)
