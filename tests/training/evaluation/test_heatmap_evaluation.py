"""Heatmaps measured against boxes in a training run: in metrics.json, in the card, and never on phantoms."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from raw import marked_phantoms, prepare
from support import ROOT, flat

from cxr.assessment.command import main as assess
from cxr.training import card
from cxr.training.evaluation.heatmap_evaluation import read_marked

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "metrics.schema.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def with_boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms to train on and an external set with boxes around the lower half of every COVID image but one."""
    folder = tmp_path_factory.mktemp("boxes")
    ward = marked_phantoms(folder / "ward", 24, 5000, range(3, 24, 2))
    more = ["--external", "labels"]
    prepare(folder / "out", "phantom=64", f"table={ward}", image_size=36, search=False, more=more)
    return folder / "out"


def test_a_run_measures_its_maps_where_patients_have_boxes(with_boxes, backbone, train_here, tmp_path):
    flags = [
        "--input_size",
        "32",
        "--max_steps",
        "1",
        "--precision",
        "fp32",
        "--use_cpu",
        "--output_dir",
        tmp_path / "run",
    ]
    data = ["--dataset", with_boxes, "--external", f"ward={with_boxes / 'external' / 'labels'}"]
    model = train_here("train_hf.py", *data, "--backbone", backbone, *flags)
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    assert not list(SCHEMA.iter_errors(metrics))
    assert metrics["heatmaps"]["test"] is None  # phantoms
    assert metrics["heatmaps"]["finer_cells"] is True
    found = metrics["heatmaps"]["external"]["ward"]
    assert (found["n"], found["patients"]) == (11, 11)
    assert found["chance"]["pointing_game"] == pytest.approx(0.5, abs=0.02)
    assert found["usual_place"]["pointing_game"] == 1.0
    low, high = found["class_activation_map"]["intervals"]["pointing_game"]
    assert low <= found["class_activation_map"]["pointing_game"] <= high
    assert 0 <= found["random_weights"]["evidence_inside"] <= 1
    ward = ["--dataset", f"ward={with_boxes / 'external' / 'labels'}", "--out", tmp_path / "report", "--use_cpu"]
    assert assess(list(map(str, ["--model", model, *ward]))) == 0
    assessed = json.loads((tmp_path / "report/assessment.json").read_text(encoding="utf-8"))["datasets"]["ward"]
    assert flat(assessed["results"][0]["heatmaps"]) == pytest.approx(flat(found))
    assert "Heatmaps against marked opacities" in (tmp_path / "report/assessment.html").read_text(encoding="utf-8")
    said = (model / "README.md").read_text(encoding="utf-8")
    assert "in an opacity that people had marked" in said
    assert "| ward | 11 | 11 | usual place | 1.000 (" in said
    found["class_activation_map"] |= {
        "pointing_game": 0.9,
        "intervals": {"pointing_game": [0.8, 0.95], "evidence_inside": None},
    }
    (model / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    assert card.main([str(model)]) == 0
    said = (model / "README.md").read_text(encoding="utf-8")
    assert "in 90 % of 11 images (95 % interval 80–95); by chance 50 %" in said
    assert "names the zone" in said


def test_a_run_without_boxes_says_that_maps_were_not_measured(finished):
    assert "heatmaps" not in json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    said = (finished / "README.md").read_text(encoding="utf-8")
    assert "Whether the heatmap points at disease was not measured on patients." in said
    assert "only on request, and names no zone" in said


def test_what_is_marked_in_a_phantom_is_no_measurement_on_patients():
    images = [Image.fromarray(np.zeros((40, 40), np.uint8))] * 4
    rows = {
        "image": images,
        "boxes": [[[0.0, 0.0, 0.5, 0.5]], [], [[0.0, 0.5, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]],
        "source": ["phantom", "ward", "ward", "ward"],
        "patient_id": ["a", "b", "c", "d"],
        "sha256": ["0", "1", "3", "2"],
    }
    features = datasets.Features(
        image=datasets.Image(),
        boxes=datasets.List(datasets.List(datasets.Value("float32"))),
        **{name: datasets.Value("string") for name in ("source", "patient_id", "sha256")},
    )
    split = datasets.Dataset.from_dict(rows, features)
    assert read_marked(split).patients == ["ward:c", "ward:d"]
    assert read_marked(split, most=1).patients == ["ward:d"]
    assert read_marked(split.remove_columns("boxes")).images == []
