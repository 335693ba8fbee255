import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import load_file, save_file
from tiny import Published, save_tiny
from transformers import pipeline

from cxr.errors import UserError
from cxr.imaging import reader
from cxr.network import openvino_runtime
from cxr.network.fastest import Fastest
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID
from cxr.schema.verdicts import DISCLAIMER
from cxr.serving.answer import Answer
from cxr.serving.predictor import Precision, Predictor


def classify(folder: Path, file: Path, precision: Precision = "fast") -> Answer:
    predictor = Predictor.load(str(folder), precision=precision)
    return predictor.predict(predictor.read(file))


def covid_by_pipeline(folder: Path, file: Path) -> float:
    scores = pipeline("image-classification", model=str(folder))(str(file))
    return next(score["score"] for score in scores if score["label"] == "COVID")


@pytest.mark.parametrize(("precision", "tolerance"), [("exact", 1e-5), ("fast", 0.01)])
def test_answer_equals_the_plain_pipeline(published: Published, xray: Path, precision: Precision, tolerance: float):
    answer = classify(published.folder, xray, precision)
    assert answer.probability == pytest.approx(covid_by_pipeline(published.folder, xray), abs=tolerance)


def test_exact_and_fast_agree_on_all_but_the_last_digits(published: Published, xray: Path):
    exact, fast = (classify(published.folder, xray, precision).model_dump() for precision in ("exact", "fast"))
    assert exact.pop("probability") == pytest.approx(fast.pop("probability"), abs=0.01)
    assert exact.pop("computed_by") != fast.pop("computed_by")
    assert exact == fast


def test_parallel_answers_are_bit_identical(published: Published, xray: Path):
    alone, many = (Predictor.load(str(published.folder), concurrency=concurrency) for concurrency in (1, 2))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(many.predict, [many.read(xray)] * 8))
    assert set(map(str, answers)) == {str(alone.predict(alone.read(xray)))}


def test_a_large_jpeg_is_decoded_no_finer_than_its_answer_needs(published: Published, tmp_path: Path):
    path = tmp_path / "large.jpg"
    Image.fromarray(draw_phantom(5, COVID).image).resize((1200, 1600)).save(path, exif=_turned())
    exact, fast = (Predictor.load(str(published.folder), precision=precision) for precision in ("exact", "fast"))
    whole, part = exact.read(path), fast.read(path)
    assert (whole.width, whole.height) == (part.width, part.height) == (1600, 1200)
    assert whole.pixels.shape == (1200, 1600)
    assert part.pixels.shape == (300, 400)
    assert exact.predict(whole).probability == pytest.approx(fast.predict(part).probability, abs=0.01)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return exif


def test_the_runtime_opens_no_connection(published: Published, xray: Path, run_cli):
    """OpenVINO's own converter sends usage statistics, so any connection is a failure here."""
    code = f"""
import socket, sys
def refuse(self, address):
    sys.exit(f"connected to {{address}}")
socket.socket.connect = refuse
from cxr.serving.answer import Answer
from cxr.serving.predictor import Precision, Predictor
predictor = Predictor.load({str(published.folder)!r})
print(predictor.predict(predictor.read(open({str(xray)!r}, "rb").read())).verdict)
"""
    done = run_cli(["-c", code])
    assert done.returncode == 0, done.stderr
    assert "pattern" in done.stdout


def test_real_radiographs_get_the_plain_pipelines_answer(published: Published, shared_data: Path):
    gray = [path for path in sorted((shared_data / "native").rglob("*.*")) if Image.open(path).mode == "L"][:2]
    assert gray
    for path in gray:
        answer = classify(published.folder, path, precision="exact")
        assert answer.probability == pytest.approx(covid_by_pipeline(published.folder, path), abs=1e-5)


def test_answer_carries_model_revision_threshold_and_notices(published: Published, xray: Path):
    answer = (
        Predictor.load(published.repo_id, published.revision[:9]).predict(reader.read_radiograph(xray)).model_dump()
    )
    assert answer["model_id"] == published.repo_id
    assert answer["revision"] == published.revision
    assert answer["threshold"] == 0.41
    assert answer["disclaimer"] == DISCLAIMER
    assert "synthetic" in answer["notice"]
    assert json.loads(json.dumps(answer)) == answer


def test_different_images_get_different_answers(published: Published, xray: Path, tmp_path: Path):
    flipped = tmp_path / "flipped.png"
    Image.fromarray(np.flipud(np.asarray(Image.open(xray)))).save(flipped)
    assert abs(classify(published.folder, xray).probability - classify(published.folder, flipped).probability) > 1e-4


def test_sixteen_bits_are_not_white(published: Published, xray: Path, xray16: Path, tmp_path: Path):
    white = tmp_path / "white.png"
    Image.new("L", Image.open(xray).size, 255).save(white)
    deep = classify(published.folder, xray16).probability
    assert deep == pytest.approx(classify(published.folder, xray).probability, abs=1e-6)
    assert deep != pytest.approx(classify(published.folder, white).probability, abs=1e-4)


def test_classes_are_found_by_name_not_by_position(tmp_path: Path, published: Published, xray: Path):
    reversed_labels = {"id2label": {0: "COVID", 1: "NON-COVID"}, "label2id": {"COVID": 0, "NON-COVID": 1}}
    model = save_tiny(tmp_path, **reversed_labels)
    for parameter in model.classifier[1].parameters():
        parameter.data = parameter.data.flip(0)
    model.save_pretrained(tmp_path)
    assert classify(tmp_path, xray).probability == pytest.approx(classify(published.folder, xray).probability, abs=1e-6)


@pytest.mark.parametrize(
    "labels", [["NORMAL", "COVID"], ["NON-COVID", "COVID", "OTHER"], [f"c{i}" for i in range(1000)]]
)
def test_other_classes_are_refused_with_the_reason(tmp_path: Path, labels: list[str]):
    save_tiny(tmp_path, id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)})
    with pytest.raises(UserError, match=f"answers with {labels[0]}, {labels[1]}.*NON-COVID and COVID"):
        Predictor.load(str(tmp_path))


def test_without_threshold_the_more_probable_class_wins(tmp_path: Path, xray: Path):
    save_tiny(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["operating_threshold"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert classify(tmp_path, xray).threshold == 0.5


@pytest.mark.parametrize("threshold", ["0.4", 1.7, None, True])
def test_an_invalid_threshold_is_refused(tmp_path: Path, threshold: object):
    save_tiny(tmp_path, operating_threshold=threshold)
    with pytest.raises(UserError, match="operating_threshold"):
        Predictor.load(str(tmp_path))


def test_missing_weights_are_refused_not_filled_at_random(tmp_path: Path):
    save_tiny(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["classifier.1.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"classifier\.1\.weight"):
        Predictor.load(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str):
    save_tiny(tmp_path)
    (tmp_path / name).write_bytes(b"\x00 not what it should be")
    with pytest.raises(UserError, match="cannot be loaded"):
        Predictor.load(str(tmp_path))


def test_weights_that_give_no_number_are_named(tmp_path: Path, xray: Path):
    save_tiny(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["classifier.1.weight"] = torch.full_like(weights["classifier.1.weight"], 3e38)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="gives no number"):
        classify(tmp_path, xray)


def test_an_unknown_precision_is_a_programming_error(published: Published):
    with pytest.raises(ValueError, match="precision is 'double'"):
        Predictor.load(str(published.folder), precision="double")


def test_a_model_with_other_preprocessing_is_answered_exactly(tmp_path: Path, xray: Path):
    save_tiny(tmp_path)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    settings["resample"] = Image.Resampling.NEAREST
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    predictor = Predictor.load(str(tmp_path), precision="fast")
    assert predictor.precision == "exact"
    answer = predictor.predict(predictor.read(xray))
    assert answer.probability == pytest.approx(covid_by_pipeline(tmp_path, xray), abs=1e-5)


def test_the_answer_names_the_runtime_and_a_precision_is_measured_where_there_is_a_choice(
    published: Published, xray: Path, monkeypatch: pytest.MonkeyPatch
):
    assert classify(published.folder, xray, "exact").computed_by == "torch float32 on cpu"
    monkeypatch.setattr(openvino_runtime, "precisions", lambda _: ["f32", "bf16"])
    monkeypatch.setattr(
        openvino_runtime, "fastest", lambda ways, **_: Fastest(list(ways)[1], {"f32": 3.0, "bf16": 1.0})
    )
    predictor = Predictor.load(str(published.folder))
    assert predictor.predict(predictor.read(xray)).computed_by == "OpenVINO bf16 on cpu"
    assert predictor.runtime_note == "bf16: 3.0 times f32 here"
