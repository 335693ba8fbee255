"""The four verdicts, from a model that carries a gate and conformal quantiles to what a reader sees."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import measured_heatmaps, save_tiny

import predict
from cxr import phantom
from cxr.errors import UserError
from cxr.imaging import reader
from cxr.schema.labels import LABELS
from cxr.schema.model_repo import GATE
from cxr.schema.verdicts import OF_CLASS
from cxr.serving.answer import Explanation
from cxr.serving.heatmap import png
from cxr.serving.model_info import ModelInfo
from cxr.serving.predictor import Predictor
from cxr.serving.web.answer_card import answer_card

SURE = {"quantiles": dict.fromkeys(LABELS, 0.0)}
UNSURE = {"level": 0.9, "quantiles": dict.fromkeys(LABELS, 1.0), "calibration_images": dict.fromkeys(LABELS, 3)}
XRAY = phantom.draw_phantom(900, 1).image


def predictor(folder: Path, gate_file: Path, **config: object) -> Predictor:
    save_tiny(folder, **config)
    (folder / GATE).write_bytes(gate_file.read_bytes())
    (folder / "metrics.json").write_text(json.dumps({"heatmaps": measured_heatmaps(0.61, 0.55)}))
    return Predictor.load(str(folder))


def explain(model: Predictor, pixels: np.ndarray) -> Explanation:
    return model.explain(reader.read_radiograph(png(np.ascontiguousarray(pixels))))


def test_a_phantom_passes_and_gets_a_class(tmp_path: Path, gate_file: Path):
    answer = explain(predictor(tmp_path, gate_file, conformal=SURE, operating_threshold=0.5), XRAY).answer
    assert answer.verdict in OF_CLASS.values()
    assert answer.conformal_set == []
    assert answer.gate_passed is True
    assert answer.gate_score > 0
    assert answer.why == ""
    assert answer.where.endswith("zone") or answer.where == "nowhere in particular"
    assert json.loads(json.dumps(answer.model_dump())) == answer.model_dump()


def test_both_classes_are_uncertain(tmp_path: Path, gate_file: Path):
    answer = explain(predictor(tmp_path, gate_file, conformal=UNSURE), XRAY).answer
    assert answer.verdict == "uncertain"
    assert answer.conformal_set == LABELS
    assert "both classes" in answer.why
    assert answer.where


@pytest.mark.parametrize("turn", [lambda xray: 255 - xray, np.rot90, np.flipud], ids=["inverted", "turned", "flipped"])
def test_what_the_gate_refuses_gets_no_class_no_zone_and_no_map(tmp_path: Path, gate_file: Path, turn):
    pixels = turn(XRAY)
    model = predictor(tmp_path, gate_file, conformal=UNSURE)
    explanation = explain(model, pixels)
    answer = explanation.answer
    assert answer.verdict == "not an X-ray like those it learned from"
    assert answer.gate_passed is False
    assert "means nothing here" in answer.why
    assert answer.where == ""
    card = answer_card(explanation, pixels, ModelInfo.of(model), "Your image")
    assert "Not an X-ray like those it learned from" in card
    assert answer.why in card
    assert "heat" not in card


def test_a_model_without_gate_and_quantiles_still_answers(tmp_path: Path):
    save_tiny(tmp_path)
    answer = explain(Predictor.load(str(tmp_path)), XRAY).answer
    assert answer.verdict in OF_CLASS.values()
    assert (answer.conformal_set, answer.gate_score, answer.gate_passed, answer.why) == (None, None, None, "")


def test_the_card_says_why_shows_the_map_and_says_where(tmp_path: Path, gate_file: Path):
    model = predictor(tmp_path, gate_file, conformal=UNSURE)
    explanation = explain(model, XRAY)
    card = answer_card(explanation, XRAY, ModelInfo.of(model), "Your image")
    assert "Uncertain" in card
    assert explanation.answer.why in card
    assert explanation.answer.where in card
    assert 'type="range"' in card
    assert 'aria-label="Opacity of the heatmap"' in card
    assert '<figure class="map-shown">' in card
    assert "opacity that people had marked in 61 % of 265 images (95 % interval 55–61); by chance 20 %" in card
    assert "show-map" not in card


def test_the_map_covers_the_image_and_its_mean_gives_the_logit(tmp_path: Path, gate_file: Path):
    model = predictor(tmp_path, gate_file)
    explanation = explain(model, XRAY)
    map_over_image = explanation.map_over_image(XRAY.shape[::-1])
    assert map_over_image.shape == XRAY.shape
    bias = load_file(tmp_path / "model.safetensors")["classifier.1.bias"]
    logit = explanation.activation_map.mean() + float(bias[1] - bias[0])
    assert 1 / (1 + np.exp(-logit)) == pytest.approx(explanation.answer.probability, abs=1e-5)


def _damaged(folder: Path) -> None:
    (folder / GATE).write_bytes(b"\x00 no gate")


def _of_another_network(folder: Path) -> None:
    tensors = load_file(folder / GATE)
    shorter = {name: tensor[:-3] if tensor.ndim else tensor for name, tensor in tensors.items()}
    save_file(shorter, folder / GATE, metadata={"gate": '{"version": "1"}'})


def _no_quantiles(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"conformal": {"quantiles": {"COVID": 0.4}}}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_damaged, "gate.safetensors is damaged"),
        (_of_another_network, "fitted on another network"),
        (_no_quantiles, "conformal in config.json"),
    ],
)
def test_broken_additions_are_refused_by_name(tmp_path: Path, gate_file: Path, harm, said: str):
    predictor(tmp_path, gate_file)
    harm(tmp_path)
    with pytest.raises(UserError, match=said):
        Predictor.load(str(tmp_path))


def test_at_the_terminal(tmp_path: Path, gate_file: Path, capsys: pytest.CaptureFixture[str]):
    model, ward = tmp_path / "model", tmp_path / "ward"
    predictor(model, gate_file, conformal=UNSURE)
    ward.mkdir()
    Image.fromarray(XRAY).save(ward / "a.png")
    Image.fromarray(255 - XRAY).save(ward / "b.png")
    table = tmp_path / "rows.csv"
    assert (
        predict.main(["--model", str(model), "--csv", str(table), "--heatmaps", str(tmp_path / "maps"), str(ward)]) == 0
    )
    unsure, refused = capsys.readouterr().out.splitlines()
    assert f"{ward / 'a.png'}: uncertain: probability 0." in unsure
    assert "both classes" in unsure
    assert f"{ward / 'b.png'}: not an X-ray like those it learned from: " in refused
    assert "NON-COVID COVID" in table.read_text()
    (drawn,) = (tmp_path / "maps").iterdir()
    assert drawn.name == "0001-a.png"
    with Image.open(drawn) as image:
        assert image.size == XRAY.shape[::-1]
        assert image.mode == "RGB"
