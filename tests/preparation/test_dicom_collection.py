"""DICOM files in a collection: what is left out, and what is kept and counted as doubtful."""

from pathlib import Path

from dicom_files import dicom
from raw import prepare

from cxr.imaging.dicom.display import INVERSE_IGNORED
from cxr.phantom import draw_phantom
from cxr.schema.dataset import FOR_PROCESSING


def test_a_header_that_contradicts_its_pixels_is_counted(tmp_path: Path, capsys):
    for label, name in enumerate(("normal", "covid")):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for number in range(20):
            elements = {"PatientID": f"{name}{number}", "StudyInstanceUID": None}
            if number == 3:
                elements["PresentationLUTShape"] = "INVERSE"
            if number == 5:
                elements["PresentationIntentType"] = "FOR PROCESSING"
            image = draw_phantom(2 * number + label, label).image
            (tmp_path / "raw" / name / f"{number}.dcm").write_bytes(dicom(image, **elements))
    key = tmp_path / "key"
    key.write_text("1" * 64)  # a random one divides so few patients into splits that may lack a class
    key.chmod(0o600)
    report = prepare(tmp_path / "out", f"folder={tmp_path / 'raw'}", image_size=64, more=["--patient_key", str(key)])
    assert report["image_warnings"] == {INVERSE_IGNORED: 2}
    assert report["refused"]["reasons"] == {FOR_PROCESSING: 2}
    assert report["images"] == 38
    assert f"warning: 2 images: {INVERSE_IGNORED}" in capsys.readouterr().out
