"""Heatmaps that were not found right on patients are not shown, and no zone is named; what is shown says how right."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import measured_heatmaps, save_tiny

import predict
from cxr import phantom
from cxr.imaging import reader
from cxr.serving.heatmap import png
from cxr.serving.model_info import ModelInfo
from cxr.serving.predictor import Predictor
from cxr.serving.web import pages
from cxr.serving.web.answer_card import answer_card

XRAY = phantom.draw_phantom(900, 1).image
NOT_MEASURED = "Whether the heatmap points at disease was not measured on patients."
NOT_BETTER = "The heatmap was not found to point at disease more often than chance."
GOOD = measured_heatmaps(0.61, 0.55)


def external_fails() -> dict:
    return GOOD | {"external": {"ward": measured_heatmaps(0.3, 0.15)["test"]}}


def external_alone() -> dict:
    return {"test": None, "external": {"ward": GOOD["test"]}}


def without_interval() -> dict:
    found = copy.deepcopy(GOOD)
    found["test"]["class_activation_map"]["intervals"]["pointing_game"] = None
    return found


def spoiled(**values: object) -> dict:
    return GOOD | {"test": GOOD["test"] | values}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    save_tiny(path)
    return path


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic")
    save_tiny(path, synthetic_data=True)
    return path


def with_maps(folder: Path, heatmaps: object) -> Predictor:
    (folder / "metrics.json").write_text(json.dumps({} if heatmaps is None else {"heatmaps": heatmaps}))
    return Predictor.load(str(folder), precision="exact")


def card_of(model: Predictor) -> tuple[str, str]:
    """The zone in the answer, and the card."""
    explanation = model.explain(reader.read_radiograph(png(XRAY)))
    return explanation.answer.where, answer_card(explanation, XRAY, ModelInfo.of(model), "Your image")


@pytest.mark.parametrize(
    ("heatmaps", "reason"),
    [
        (None, NOT_MEASURED),
        ({"test": None, "external": {}}, NOT_MEASURED),
        (spoiled(n="many"), NOT_MEASURED),
        (spoiled(chance=None), NOT_MEASURED),
        (measured_heatmaps(float("nan"), float("nan")), NOT_MEASURED),
        (measured_heatmaps(0.26, 0.2), NOT_BETTER),
        (external_fails(), NOT_BETTER),
        (without_interval(), NOT_BETTER),
        ([3], NOT_MEASURED),
    ],
    ids=["absent", "empty", "no count", "no chance", "not numbers", "chance", "external", "few patients", "a list"],
)
def test_a_map_that_was_not_found_right_waits_for_a_button(folder: Path, heatmaps: object, reason: str):
    model = with_maps(folder, heatmaps)
    zone, card = card_of(model)
    assert zone == ""
    assert "Evidence for COVID-19 is strongest in" not in card
    assert '<figure class="">' in card
    assert "Show the map anyway" in card
    assert reason in card
    assert "with a heatmap" not in pages.waiting(ModelInfo.of(model))


@pytest.mark.parametrize("heatmaps", [GOOD, external_alone()], ids=["test", "external"])
def test_a_map_found_better_than_chance_is_shown_with_its_figures(folder: Path, heatmaps: object):
    model = with_maps(folder, heatmaps)
    zone, card = card_of(model)
    assert zone
    assert f"strongest in: {zone}" in card
    assert "had marked in 61 % of 265 images (95 % interval 55–61); by chance 20 %, always the usual place 70 %" in card
    assert '<figure class="map-shown">' in card
    assert "Show the map" not in card
    assert "with a heatmap" in pages.waiting(ModelInfo.of(model))


def test_a_model_trained_on_phantoms_was_not_measured_by_its_own_test_split(synthetic: Path):
    assert card_of(with_maps(synthetic, GOOD))[0] == ""
    assert card_of(with_maps(synthetic, external_alone()))[0] != ""


def test_a_set_cannot_put_markup_on_the_page(folder: Path):
    evil = "<script>alert(1)</script>" * 40
    card = card_of(with_maps(folder, {"test": None, "external": {evil: GOOD["test"]}}))[1]
    assert "<script" not in card


def test_at_the_terminal_maps_are_written_because_they_were_asked_for(folder: Path, tmp_path: Path, capsys):
    for name in "ab":
        Image.fromarray(XRAY).save(tmp_path / f"{name}.png")
    maps = tmp_path / "maps"
    files = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    with_maps(folder, None)
    assert predict.main(["--model", str(folder), "--heatmaps", str(maps), *files]) == 0
    out, err = capsys.readouterr()
    assert err.count(f"heatmaps: {NOT_MEASURED}") == 1
    assert "strongest in" not in out
    assert len(list(maps.iterdir())) == 2
    for path in maps.iterdir():
        with Image.open(path) as image:
            assert image.text["Description"] == NOT_MEASURED
    with_maps(folder, GOOD)
    assert predict.main(["--model", str(folder), "--heatmaps", str(maps), *files]) == 0
    out, err = capsys.readouterr()
    assert err.count("heatmaps: On its own test split, the heatmap's strongest place lay in") == 1
    assert out.count("strongest in") == 2


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_map_measured_with_finer_cells_is_shown_with_them_and_changes_no_answer(folder, precision):
    xray = reader.read_radiograph(png(XRAY))
    with_maps(folder, GOOD)
    own = Predictor.load(str(folder), precision=precision).explain(xray)
    with_maps(folder, GOOD | {"finer_cells": True})
    finer = Predictor.load(str(folder), precision=precision).explain(xray)
    assert (own.activation_map.shape, finer.activation_map.shape) == ((4, 4), (16, 16))
    assert finer.answer.probability == pytest.approx(own.answer.probability, abs=1e-6)
    between_own_cells = finer.activation_map[2:-1:4, 2:-1:4]
    assert np.corrcoef(between_own_cells.ravel(), own.activation_map.ravel())[0, 1] > 0.9
    assert finer.map_over_image(XRAY.shape[::-1]).shape == XRAY.shape


def test_finer_cells_take_no_time_where_no_map_is_shown(folder):
    poor = measured_heatmaps(0.26, 0.2) | {"finer_cells": True}
    explained = with_maps(folder, poor).explain(reader.read_radiograph(png(XRAY)))
    assert explained.activation_map.shape == (4, 4)
