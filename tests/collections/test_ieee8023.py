"""The covid-chestxray-dataset layout."""

import pytest
from raw import prepare, refused, rows, save, table

VIEWS = ("PA", "AP", "AP Supine", "ap semi-erect", "AP erect")
COVID = ("COVID-19", "COVID-19, ARDS", "Pneumonia/Viral/COVID-19")
OTHER = ("No Finding", "SARS", "Pneumonia/Bacterial/Streptococcus", "ARDS", "Pneumonia")


def row(number: int, finding: str, view: str = "PA", **more: str) -> dict:
    row = {"patientid": str(number // 2), "finding": f'"{finding}"', "view": view, "modality": "X-ray"}
    return row | {"folder": "images", "filename": f"{number}.jpg", "license": "CC BY", "sex": "M", "age": "61"} | more


@pytest.fixture
def collection(tmp_path):
    """120 frontal X-rays, two a patient, three patients of each finding and view in turn."""
    findings = [finding for pair in zip(COVID * 5, OTHER * 3, strict=True) for finding in pair]
    listed = [row(number, findings[number // 2 % 30], VIEWS[number % 5]) for number in range(120)]
    for number in range(120):
        save(tmp_path / "raw" / "images" / f"{number}.jpg", number)
    return listed


def test_frontal_x_rays_become_records(tmp_path, collection):
    table(tmp_path / "raw" / "metadata.csv", collection)
    report = prepare(tmp_path / "out", f"ieee8023={tmp_path / 'raw'}")
    assert report["images"] == 120
    assert set(report["findings"]["COVID"]) == set(COVID)
    assert set(report["findings"]["NON-COVID"]) == set(OTHER)
    assert set(report["views"]["COVID"]) == {"PA", "AP", "AP Supine", "AP Semi Erect", "AP Erect"}
    assert report["licences"] == {"ieee8023": {"CC BY": 120}}
    assert "CC BY (120)" in (tmp_path / "out" / "README.md").read_text()
    written = rows(tmp_path / "out")
    assert {(image["sex"], image["age"]) for image in written} == {("M", 61.0)}
    splits = {}
    for image in written:
        splits.setdefault(image["patient_id"], set()).add(image["split"])
    assert len(splits) == 60
    assert all(len(split) == 1 for split in splits.values())


def test_what_is_left_out_is_counted(tmp_path, collection):
    for number in range(200, 210):
        save(tmp_path / "raw" / "images" / f"{number}.jpg", number)
    collection += [
        row(200, "COVID-19", "L"),
        row(201, "COVID-19", "Axial", modality="CT", folder="volumes"),
        *(row(202 + place, finding) for place, finding in enumerate(("todo", "Unknown", "", "pending"))),
        row(206, "COVID-19", ""),
        row(900, "COVID-19"),
        row(1, "COVID-19", filename="../../raw/images/207.jpg"),
        row(0, "COVID-19"),
    ]
    table(tmp_path / "raw" / "metadata.csv", collection)
    report = prepare(tmp_path / "out", f"ieee8023={tmp_path / 'raw'}")
    assert report["images"] == 121, "an image of unknown view stays"
    assert report["refused"]["reasons"] == {
        "is no frontal view": 1,
        "is no X-ray (CT or other modality)": 1,
        "has no finding yet": 4,
        "is not there": 1,
        "points outside the collection's folder": 1,
        "is listed more than once": 1,
        "has no row in metadata.csv": 4,
    }


def test_a_wrong_folder_is_named(tmp_path, capsys):
    out, raw = tmp_path / "out", tmp_path / "raw"
    assert "no such folder" in refused(capsys, out, f"ieee8023={raw}")
    raw.mkdir()
    assert "holds no metadata.csv" in refused(capsys, out, f"ieee8023={raw}")
    table(raw / "metadata.csv", [{"patientid": "1", "finding": "COVID-19"}])
    assert "no column 'view'" in refused(capsys, out, f"ieee8023={raw}")
    (raw / "metadata.csv").write_text("patientid,finding,view,filename\n")
    assert "no rows" in refused(capsys, out, f"ieee8023={raw}")
