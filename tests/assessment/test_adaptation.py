"""`assess.py --adapt`: a complete model folder, in which only what is chosen on validation has changed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from raw import prepare, table
from safetensors.torch import load_file
from support import flat
from transformers import pipeline

from cxr.assessment.command import main
from cxr.fingerprints import Fingerprints
from cxr.phantom import draw_phantom
from cxr.schema.document import check
from cxr.schema.labels import LABELS
from cxr.schema.metrics import Metrics
from cxr.serving.predictor import Predictor
from cxr.training.publish import main as publish

FEW = {"train": 4, "validation": 80, "test": 80}


def save_shifted(folder: Path, sizes: dict[str, int], covid: float = 0.3) -> Path:
    """Phantoms of a hospital whose images are darker and flatter and where fewer have COVID."""
    rows = []
    for split, count in sizes.items():
        for number in range(count):
            seed = 20_000 + len(rows)
            label = int(number < covid * count)
            image = draw_phantom(seed, label).image / 255
            file = f"{seed}.png"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.uint8(255 * (0.15 + 0.6 * image**1.6))).save(folder / file)
            rows.append({"file": file, "label": LABELS[label], "patient_id": f"h{seed}", "source": "h", "split": split})
    return table(folder / "images.csv", rows)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hospital")
    prepare(folder / "out", f"table={save_shifted(folder / 'raw', FEW)}", image_size=36, search=False)
    return folder / "out"


@pytest.fixture(scope="module")
def adapted(finished: Path, hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapted")
    command = ["--model", finished, "--dataset", f"h={hospital}", "--out", folder / "report", "--use_cpu"]
    assert main(list(map(str, [*command, "--adapt", folder / "model"]))) == 0
    assert not list(folder.glob(".*"))
    return folder / "model"


def metrics_of(folder: Path) -> Metrics:
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    check(Metrics, metrics)
    return metrics


def test_only_the_head_changes_and_the_order_of_images_stays(adapted: Path, finished: Path):
    before, after = load_file(finished / "model.safetensors"), load_file(adapted / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert changed == {"classifier.1.weight", "classifier.1.bias"}
    found = metrics_of(adapted)
    assert found["test"]["auroc"] == pytest.approx(found["adaptation"]["before"]["auroc"], abs=1e-9)


def test_what_is_chosen_on_validation_is_chosen_anew(adapted: Path, finished: Path):
    before, after = metrics_of(finished), metrics_of(adapted)
    config = json.loads((adapted / "config.json").read_text(encoding="utf-8"))
    assert config["operating_threshold"] == after["operating_threshold"] != before["operating_threshold"]
    assert after["validation"]["sensitivity"] >= after["target_sensitivity"]
    assert after["validation"]["brier"] < after["adaptation"]["before"]["brier"]
    assert config["conformal"]["quantiles"] != before["conformal"]["quantiles"]
    assert after["conformal"]["calibration_images"] == {"NON-COVID": 56, "COVID": 24}
    assert "validation X-rays" in after["gate"]["fitted_on"]
    assert "heatmaps" not in after
    whole, fitted = after["calibration"], after["adaptation"]
    first = before["calibration"]
    assert whole["temperature"] == pytest.approx(first["temperature"] * fitted["temperature"])
    assert whole["bias"] == pytest.approx(first["bias"] / fitted["temperature"] + fitted["bias"])
    assert after["training"] == before["training"]
    assert after["dataset"] == before["dataset"]


def test_an_assessment_of_it_gives_the_numbers_of_its_card(adapted: Path, hospital: Path, tmp_path: Path):
    command = ["--model", adapted, "--dataset", f"h={hospital}", "--out", tmp_path, "--use_cpu"]
    assert main(list(map(str, command))) == 0
    result = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))["datasets"]["h"]["results"][0]
    expected = metrics_of(adapted)["test"]
    for key in ("brier", "sensitivity", "intervals", "conformal", "verdicts"):
        assert flat(result[key], key) == pytest.approx(flat(expected[key], key), abs=1e-6), key
    assert result["training_overlap"]["known"]
    assert [part.dataset for part in Fingerprints.load(adapted / "fingerprints.safetensors").parts] == [
        metrics_of(adapted)["dataset"]["fingerprint"],
        metrics_of(adapted)["adaptation"]["dataset"]["fingerprint"],
    ]


def test_transformers_and_the_predictor_answer_with_it(adapted: Path, tmp_path: Path):
    image = Image.fromarray(draw_phantom(77, 1).image)
    image.save(tmp_path / "x.png")
    told = {row["label"]: row["score"] for row in pipeline("image-classification", model=str(adapted))(image)}
    predictor = Predictor.load(str(adapted), precision="exact")
    assert predictor.predict(predictor.read(tmp_path / "x.png")).probability == pytest.approx(told["COVID"], abs=1e-6)
    assert predictor.threshold == metrics_of(adapted)["operating_threshold"]


def test_the_card_says_where_it_was_adapted_and_it_is_published(adapted: Path, hub):
    assert publish([str(adapted), "demo/adapted"]) == 0
    card = ModelCard.load("demo/adapted")
    assert "## Adaptation" in card.text
    assert "| sensitivity |" in card.text
    assert "run/model" in card.text
    assert {result.dataset_name for result in card.data.eval_results} == {"h"}
    assert "research" in card.text.lower()


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--model2", "MODEL"], ["--adapt", "--model"]),
        (["--split", "validation"], ["--adapt", "--split validation"]),
        (["--runtime", "openvino"], ["--adapt", "--runtime openvino"]),
        (["--adapt", "MODEL"], ["MODEL", "exists already"]),
        (["--adapt", "REPORT"], ["REPORT", "report"]),
        (["--dataset", "SMALL"], ["--adapt", "validation split", "too small"]),
    ],
)
def test_what_cannot_work_is_one_line(flags, parts, finished, hospital, dataset, tmp_path, capsys):
    names = {"MODEL": finished, "SMALL": dataset, "REPORT": tmp_path / "report"}
    given = [str(names.get(flag, flag)) for flag in flags]
    rest = [] if "--dataset" in flags else ["--dataset", str(hospital)]
    rest += [] if "--adapt" in flags else ["--adapt", str(tmp_path / "model")]
    capsys.readouterr()
    command = ["--model", str(finished), "--out", str(tmp_path / "report"), "--use_cpu", *given, *rest]
    assert main(command) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert all(str(names.get(part, part)) in error for part in parts), error
    assert not (tmp_path / "model").exists()


def test_a_model_of_another_kind_is_one_line(hospital, tmp_path, capsys):
    from test_foreign_models import save_vit

    save_vit(tmp_path / "vit", "NON-COVID", "COVID")
    command = ["--model", tmp_path / "vit", "--dataset", hospital, "--out", tmp_path / "report", "--use_cpu"]
    assert main([*map(str, command), "--adapt", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "--adapt" in error
    assert "train_hf.py" in error


def test_a_model_on_the_hub_is_adapted_as_well(finished: Path, hospital: Path, hub, tmp_path: Path):
    assert publish([str(finished), "demo/to-adapt"]) == 0
    command = ["--model", "demo/to-adapt", "--dataset", f"h={hospital}", "--out", tmp_path / "report", "--use_cpu"]
    assert main(list(map(str, [*command, "--adapt", tmp_path / "model"]))) == 0
    found = metrics_of(tmp_path / "model")["adaptation"]
    assert (found["model_id"], len(found["revision"])) == ("demo/to-adapt", 40)
    assert ModelCard.load(tmp_path / "model" / "README.md").data.base_model == "demo/to-adapt"
    assert (tmp_path / "model" / "recipe.yaml").read_bytes() == (finished / "recipe.yaml").read_bytes()
