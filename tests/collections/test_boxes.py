"""Opacities that a person marked: boxes and masks of collections become the column `boxes`, in shares of the image."""

from pathlib import Path

import numpy as np
import pytest
from dicom_files import dicom
from PIL import Image
from raw import prepare, rows, save, table

from dataset_script.__main__ import main
from dataset_script.collections.provenance import reference_standard_of

APPEARANCES = ["Negative for Pneumonia", "Typical Appearance", "Indeterminate Appearance", "Atypical Appearance"]


def siim_tables(root: Path, sizes: bool) -> None:
    """60 studies of one image, the even ones typical, each with one box from (32, 24) to (96, 96) in 128 × 96."""
    studies, images = [], []
    for n in range(60):
        studies.append({"id": f"s{n}_study"} | {name: int(at == 1 - n % 2) for at, name in enumerate(APPEARANCES)})
        boxes = "" if n % 2 else "\"[{'x': 32.0, 'y': 24.0, 'width': 64.0, 'height': 72.0}]\""
        images.append({"id": f"i{n}_image", "boxes": boxes, "label": "", "StudyInstanceUID": f"s{n}"})
        if sizes:
            images[-1] |= {"dim0": 96, "dim1": 128}
    table(root / "train_study_level.csv", studies)
    table(root / "train_image_level.csv", images)


def boxes_by_file(folder: Path) -> dict[str, list[list[float]]]:
    return {row["file"]: [[round(side, 3) for side in box] for box in row["boxes"]] for row in rows(folder)}


def test_boxes_in_pixels_of_a_dicom_file_become_shares(tmp_path):
    for n in range(60):
        place = tmp_path / "siim" / "train" / f"s{n}" / "series" / f"i{n}.dcm"
        place.parent.mkdir(parents=True)
        place.write_bytes(dicom(np.random.default_rng(n).integers(0, 255, (96, 128), np.uint8)))
    siim_tables(tmp_path / "siim", sizes=False)
    report = prepare(tmp_path / "out", f"siim={tmp_path / 'siim'}")
    found = [row["boxes"] for row in rows(tmp_path / "out") if row["label"] == 1]
    assert found == [[[0.25, 0.25, 0.75, 1.0]]] * 30
    assert all(row["boxes"] == [] for row in rows(tmp_path / "out") if row["label"] == 0)
    assert report["boxes"] == {"siim": 30}
    assert report["reference_standards"] == {"siim": {reference_standard_of("siim"): 60}}


@pytest.mark.parametrize("sizes", [True, False])
def test_boxes_of_smaller_files_need_the_original_size(tmp_path, sizes):
    """Without it, boxes that lie outside are left out and counted, never moved."""
    for n in range(60):
        save(tmp_path / "siim" / "train" / f"i{n}.png", n)
    with Image.open(tmp_path / "siim" / "train" / "i0.png") as image:
        assert max(image.size) < 96
    siim_tables(tmp_path / "siim", sizes)
    report = prepare(tmp_path / "out", f"siim={tmp_path / 'siim'}")
    found = boxes_by_file(tmp_path / "out")
    assert found["train/i0.png"] == ([[0.25, 0.25, 0.75, 1.0]] if sizes else [])
    assert (report["boxes"], sum(report.get("image_warnings", {}).values())) == (
        ({"siim": 30}, 0) if sizes else ({}, 30)
    )


def test_infection_masks_of_covidqu_become_boxes(tmp_path):
    for part, kinds in (("Lung", ("images", "lung masks")), ("Infection", ("images", "infection masks"))):
        root = tmp_path / "qu" / f"{part} Segmentation Data" / f"{part} Segmentation Data"
        for n in range(60):
            split, name = ("Train", "Val", "Test")[n // 20], ("COVID-19", "Normal")[n % 2]
            save(root / split / name / kinds[0] / f"{name}_{n}.png", n)
            mask = np.zeros((80, 100), np.uint8)
            if name == "COVID-19":
                mask[20:40, 10:30], mask[60:70, 70:90] = 255, 255
                mask[0, 99] = 0
            path = root / split / name / kinds[1] / f"{name}_{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    report = prepare(tmp_path / "out", f"covidqu={tmp_path / 'qu'}")
    found = boxes_by_file(tmp_path / "out")
    covid = next(boxes for file, boxes in found.items() if file.endswith("COVID-19_0.png"))
    assert sorted(covid) == [[0.1, 0.25, 0.3, 0.5], [0.7, 0.75, 0.9, 0.875]]
    assert next(boxes for file, boxes in found.items() if file.endswith("Normal_1.png")) == []
    assert (report["images"], report["boxes"]) == (60, {"covidqu": 30})


def make_table(tmp_path: Path, boxes: list[dict]) -> str:
    for n in range(60):
        save(tmp_path / "mine" / "img" / f"{n}.png", n)
    lines = [{"file": f"img/{n}.png", "label": ("COVID", "normal")[n % 2]} for n in range(60)]
    table(tmp_path / "mine" / "labels.csv", [line | {"reference_standard": "PCR"} for line in lines])
    table(tmp_path / "mine" / "boxes.csv", boxes)
    return f"table={tmp_path / 'mine'}"


def test_a_table_of_boxes_beside_a_table_of_images(tmp_path):
    box = {"left": 0.1, "top": 0.2, "right": 0.3, "bottom": 0.4}
    source = make_table(tmp_path, [{"file": "img/0.png"} | box, {"file": "img/0.png"} | box | {"right": 0.5}])
    report = prepare(tmp_path / "out", source)
    assert boxes_by_file(tmp_path / "out")["img/0.png"] == [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.5, 0.4]]
    assert (report["boxes"], report["reference_standards"]) == ({"labels": 1}, {"labels": {"PCR": 60}})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"file": "img/0.png", "x": 1}, "has no column 'left'"),
        ({"file": "img/0.png", "left": 0.5, "top": 0, "right": 0.2, "bottom": 1}, "line 2: no box"),
        ({"file": "img/0.png", "left": "nan", "top": 0, "right": 0.2, "bottom": 1}, "line 2: no box"),
    ],
)
def test_a_table_of_boxes_that_holds_none_is_an_error(tmp_path, capsys, line, said):
    source = make_table(tmp_path, [line])
    assert main(["--source", source, "--out", str(tmp_path / "out"), "--no_audit"]) == 2
    assert said in capsys.readouterr().err
