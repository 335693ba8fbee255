"""Files that once gave wrong gray values, no answer or no end: through `predict.py` and `python -m dataset_script`."""

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dicom
from PIL import Image
from raw import prepare
from support import ROOT
from tiny import Published

import predict
from cxr.imaging.dicom.pixels import RLE_EXPANDS
from cxr.imaging.limits import TOO_MANY_SCANS
from cxr.imaging.reader import read_radiograph
from cxr.phantom import draw_phantom
from cxr.schema.dataset import FOR_PROCESSING, NOT_FRONTAL

REFERENCE = "dicom/00_ref12.dcm"
SAME = {
    "dicom/03_zeros_after_eoi.dcm": 8,  # JPEG
    "dicom/07_voi_ss_data_over_32767.dcm": 2,
    "dicom/09_pixel_spacing_2to1.dcm": 20,  # every second row is interpolated
    "dicom/10b_mono2_inverse.dcm": 2,
    "dicom/16_photometric_lower.dcm": 2,
    "dicom/j2k_prec16_masked.dcm": 2,
    "dicom/jls_overlay_bit15.dcm": 2,
}
READ = ("png_big_iccp.png", "png_big_itxt_after.png", "tif_thumb.tif", "jpg_exif_orient6_srational.jpg")
REFUSED = {
    "dicom/17_for_processing.dcm": FOR_PROCESSING,
    "dicom/25_lateral_0.dcm": NOT_FRONTAL,
    "dicom/25_lateral_2.dcm": NOT_FRONTAL,
    "dicom/25_lateral_4.dcm": NOT_FRONTAL,
    "faults/dcm-rle-expands.dcm": RLE_EXPANDS,
    "faults/jpeg-many-scans.jpg": TOO_MANY_SCANS,
    "faults/png-palette-missing.png": "is damaged or cut off",
    "faults/tiff-bits-ascii.tif": "is damaged or cut off",
}


@pytest.fixture(scope="module")
def cases() -> Path:
    folder = ROOT.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("no ../shared/cases")
    return folder


def answers(model: Path, capsys: pytest.CaptureFixture[str], *files: Path) -> dict[str, dict]:
    """What `predict.py --json` prints, by file."""
    capsys.readouterr()
    predict.main(["--model", str(model), "--json", *map(str, files)])
    return {answer["file"]: answer for answer in map(json.loads, capsys.readouterr().out.splitlines())}


def test_dicom_cases_are_shown_as_their_reference(cases: Path):
    reference = read_radiograph(cases / REFERENCE).pixels.astype(int)
    for name, levels in SAME.items():
        pixels = read_radiograph(cases / name).pixels
        assert pixels.shape == reference.shape, name
        assert np.abs(pixels - reference).max() <= levels, name


def test_the_command_answers_every_case(published: Published, cases: Path, capsys: pytest.CaptureFixture[str]):
    names = [REFERENCE, *SAME, *(f"pictures/{name}" for name in READ), *REFUSED]
    given = answers(published.folder, capsys, *(cases / name for name in names))
    assert {name for name in names if "error" in given[str(cases / name)]} == set(REFUSED)
    for name, reason in REFUSED.items():
        assert reason in given[str(cases / name)]["error"]
    probabilities = [given[str(cases / name)]["probability"] for name in (REFERENCE, *SAME)]
    assert np.ptp(probabilities) < 0.05


def test_a_preparation_takes_every_case(cases: Path, tmp_path: Path):
    names = [REFERENCE, *SAME, *(f"pictures/{name}" for name in READ), *REFUSED]
    for label, folder in enumerate(("normal", "covid")):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(draw_phantom(2 * number + label, label).image).save(
                tmp_path / "raw" / folder / f"{number}.png"
            )
    for name in names:
        (tmp_path / "raw/covid" / Path(name).name).write_bytes((cases / name).read_bytes())
    report = prepare(tmp_path / "out", f"folder={tmp_path / 'raw'}", image_size=64, more=["--duplicates", "keep"])
    assert report["images"] == 40 + len(names) - len(REFUSED)
    assert report["refused"]["total"] == len(REFUSED)
    assert set(report["refused"]["reasons"]) == set(REFUSED.values())


def test_relatives_of_the_cases(published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shades = draw_phantom(4, 1).image
    files = {
        "plain": dicom(shades),
        "lower": dicom(255 - shades, PhotometricInterpretation="monochrome1 "),
        "inverse": dicom(255 - shades, PresentationLUTShape="INVERSE"),
        "lateral": dicom(shades, ViewPosition=None, SeriesDescription="Rx tórax de perfil"),
        "raw": dicom(shades, PresentationIntentType="FOR PROCESSING"),
    }
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
    given = answers(published.folder, capsys, *(tmp_path / name for name in files))
    plain, lower, inverse, lateral, unprocessed = (given[str(tmp_path / name)] for name in files)
    assert plain["probability"] == lower["probability"] == inverse["probability"]
    assert NOT_FRONTAL in lateral["error"]
    assert FOR_PROCESSING in unprocessed["error"]
