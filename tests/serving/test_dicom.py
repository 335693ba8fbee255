"""The app and the terminal take DICOM as it comes, and say what is no frontal X-ray instead of answering."""

import io
from pathlib import Path

import numpy as np
import pytest
from dicom_files import SECRETS, dicom
from gradio_client import Client, handle_file
from PIL import Image
from tiny import Published

import predict
from cxr.errors import UnreadableImage
from cxr.imaging import reader
from cxr.imaging.dicom.display import INVERSE_IGNORED
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID
from cxr.serving import input_files
from cxr.serving.predictor import Predictor


@pytest.fixture
def archive(tmp_path: Path, xray: Path) -> Path:
    """A negative as a scanner exports it, without a suffix, beside a CT, a lateral view and an archive's index."""
    shades = np.asarray(Image.open(xray))
    folder = tmp_path / "DICOM"
    folder.mkdir()
    (folder / "IM0001").write_bytes(dicom(255 - shades, PhotometricInterpretation="MONOCHROME1"))
    (folder / "ct.dcm").write_bytes(dicom(shades, Modality="CT"))
    (folder / "lat.dcm").write_bytes(dicom(shades, ViewPosition="LL"))
    (folder / "DICOMDIR").write_bytes(dicom(shades, PixelData=None))
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    return folder


def test_a_negative_dicom_gets_the_answer_of_its_png(published: Published, xray: Path, archive: Path):
    predictor = Predictor.load(str(published.folder))
    assert predictor.predict(reader.read_radiograph(archive / "IM0001")) == predictor.predict(
        reader.read_radiograph(xray)
    )


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def deep(gray: np.ndarray, bits: int, how: str) -> np.ndarray:
    """The ways in which people put eight bits into more, uint16."""
    wide, full = gray.astype(np.uint16), (1 << bits) - 1
    given = {"shifted": wide << bits - 8, "cut off": wide * (full / 255), "rounded": np.rint(wide * (full / 255))}
    return given[how].astype(np.uint16)


@pytest.mark.parametrize("how", ["shifted", "cut off", "rounded"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_one_image_gets_one_verdict_as_jpeg_deep_png_and_negative_dicom(published: Published, bits: int, how: str):
    stream = io.BytesIO()
    Image.fromarray(draw_phantom(21, COVID).image).save(stream, "JPEG", quality=90)
    stored = deep(np.asarray(Image.open(stream)), bits, how)
    negative = dicom((1 << bits) - 1 - stored, bits=bits, PhotometricInterpretation="MONOCHROME1")
    predictor = Predictor.load(str(published.folder))
    answers = [predictor.predict(predictor.read(raw)) for raw in (stream.getvalue(), png(stored), negative)]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(("name", "reason"), [("ct.dcm", "is no X-ray"), ("lat.dcm", "is no frontal view")])
def test_what_is_no_frontal_x_ray_gets_no_answer(published: Published, archive: Path, name: str, reason: str):
    with pytest.raises(UnreadableImage, match=reason):
        Predictor.load(str(published.folder)).predict(reader.read_radiograph(archive / name))


def test_what_contradicts_the_pixels_is_a_warning_in_the_answer(predictor: Predictor, xray: Path):
    shades = np.asarray(Image.open(xray))
    contradicted = predictor.predict(predictor.read(dicom(shades, PresentationLUTShape="INVERSE")))
    assert contradicted.warning == INVERSE_IGNORED
    followed = predictor.predict(predictor.read(dicom(255 - shades, PresentationLUTShape="INVERSE")))
    assert followed.warning == ""
    assert followed.probability == contradicted.probability == predictor.predict(predictor.read(xray)).probability


def test_a_folder_is_searched_for_dicom_whatever_its_name(archive: Path):
    assert [found.path.name for found in input_files.find([str(archive)])] == ["IM0001", "ct.dcm", "lat.dcm"]


def test_at_the_terminal(published: Published, archive: Path, capsys: pytest.CaptureFixture[str]):
    assert predict.main(["--model", str(published.folder), str(archive)]) == 1
    out, err = capsys.readouterr()
    answer, slice_, lateral = out.splitlines()
    assert "probability 0." in answer
    assert slice_ == f"{archive / 'ct.dcm'}: no answer: the file is no X-ray (CT or other modality)"
    assert lateral == f"{archive / 'lat.dcm'}: no answer: the file is no frontal view"
    assert not any(secret in out + err for secret in SECRETS.values())


def test_over_the_api(app_url: str, xray: Path, archive: Path):
    client = Client(app_url, verbose=False)
    found = client.predict(handle_file(str(archive / "IM0001")), api_name="/predict")
    assert found == client.predict(handle_file(str(xray)), api_name="/predict")
    with pytest.raises(Exception, match="The image is no frontal view"):
        client.predict(handle_file(str(archive / "lat.dcm")), api_name="/predict")
