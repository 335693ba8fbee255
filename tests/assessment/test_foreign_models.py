"""`assess.py` on classifiers of other people: other architectures, labels, channels, and files that cannot be used."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image
from raw import prepare
from sklearn.metrics import roc_auc_score
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    set_seed,
)

from cxr.assessment.command import main
from cxr.phantom import draw_phantom
from cxr.schema.labels import LABELS

TINY = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}


def labelled(*names: str) -> dict[str, object]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}


@torch.no_grad()
def spread(model: torch.nn.Module, head: torch.nn.Linear, channels: int) -> None:
    """Random weights answer 0.5 for every image; make the logits differ, by class and from image to image."""
    images = torch.cat(
        [pixel_values(Image.fromarray(draw_phantom(seed, seed % 2).image), channels) for seed in range(9)]
    )
    head.bias.zero_()
    head.weight /= model(pixel_values=images).logits.std(0).mean()
    head.bias.copy_(torch.linspace(0.5, -0.5, len(head.bias)) - model(pixel_values=images).logits.mean(0))


def save_resnet(folder: Path, *names: str, channels: int = 3) -> ResNetForImageClassification:
    set_seed(5)
    model = ResNetForImageClassification(ResNetConfig(**TINY, **labelled(*names), num_channels=channels)).eval()
    spread(model, model.classifier[1], channels)
    model.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    ViTImageProcessor(size=size, image_mean=[0.5] * channels, image_std=[0.5] * channels).save_pretrained(folder)
    return model


def save_vit(folder: Path, *names: str) -> ViTForImageClassification:
    set_seed(6)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, **sizes, **labelled(*names))).eval()
    spread(model, model.classifier, 3)
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


def assess(model: object, dataset: object, out: Path, *flags: str) -> dict:
    command = ["--model", model, "--dataset", f"set={dataset}", "--out", out, "--use_cpu", *flags]
    assert main(list(map(str, command))) == 0
    return json.loads((out / "assessment.json").read_text(encoding="utf-8"))


def pixel_values(image: Image.Image, channels: int = 3) -> torch.Tensor:
    """By the processor's own steps, without our code: squares of 32 pixels, of gray values from -1 to 1."""
    pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    return torch.tensor(pixels / 127.5 - 1)[None, None].expand(1, channels, 32, 32)


def is_scored(result: dict, model: torch.nn.Module, dataset: Path, rows: tuple[int, ...], channels: int = 3) -> bool:
    """Whether the numbers are those of the probabilities of `rows`, taken from the network itself."""
    test = datasets.load_dataset(str(dataset), split="test")
    with torch.inference_mode():
        logits = torch.cat([model(pixel_values=pixel_values(row["image"], channels)).logits for row in test])
    probability, labels = logits.softmax(-1)[:, list(rows)].sum(-1).numpy(), np.array(test["label"])
    expected = [roc_auc_score(labels, probability), (probability >= 0.5).mean(), np.mean((probability - labels) ** 2)]
    called = (result["sensitivity"] * (labels == 1).sum() + (1 - result["specificity"]) * (labels == 0).sum()) / len(
        labels
    )
    return bool(np.allclose([result["auroc"], called, result["brier"]], expected, atol=0.06))


@pytest.mark.parametrize("save", [save_resnet, save_vit])
def test_two_classes_with_other_names_in_another_order(save, dataset, tmp_path):
    model = save(tmp_path / "model", "covid19", "healthy")
    found = assess(tmp_path / "model", dataset, tmp_path / "out", "--positive", "covid19")
    assert found["models"][0]["positive"] == ["covid19"]
    assert found["models"][0]["threshold_origin"] == "default"
    result = found["datasets"]["set"]["results"][0]
    assert is_scored(result, model, dataset, (0,))
    assert not is_scored(result, model, dataset, (1,))
    assert result["conformal"] is None
    assert result["gate"] is None
    assert not result["training_overlap"]["known"]


def test_several_classes_are_read_as_covid_against_the_rest(dataset, tmp_path):
    model = save_resnet(tmp_path / "model", "normal", "covid", "pneumonia")
    found = assess(tmp_path / "model", dataset, tmp_path / "one", "--positive", "covid")
    both = assess(tmp_path / "model", dataset, tmp_path / "two", "--positive", "covid,pneumonia")
    for document, rows, others in ((found, (1,), (1, 2)), (both, (1, 2), (1,))):
        result = document["datasets"]["set"]["results"][0]
        assert is_scored(result, model, dataset, rows)
        assert not is_scored(result, model, dataset, others)


def test_a_network_and_a_processor_of_gray_images(dataset, tmp_path):
    model = save_resnet(tmp_path / "model", *LABELS, channels=1)
    result = assess(tmp_path / "model", dataset, tmp_path / "out")["datasets"]["set"]["results"][0]
    assert is_scored(result, model, dataset, (1,), channels=1)
    assert not is_scored(result, model, dataset, (0,), channels=1)


def test_two_models_on_two_datasets(dataset, with_other, tmp_path):
    save_resnet(tmp_path / "convolutional", "covid19", "healthy")
    save_vit(tmp_path / "attentive", "covid19", "healthy")
    flags = ("--dataset", f"other={with_other}", "--model2", str(tmp_path / "attentive"), "--positive", "covid19")
    found = assess(tmp_path / "convolutional", dataset, tmp_path / "out", *flags)
    assert [model["architecture"] for model in found["models"]] == [
        "ResNetForImageClassification",
        "ViTForImageClassification",
    ]
    for compared in found["datasets"].values():
        first, second = compared["results"]
        difference = compared["comparison"]["differences"]["auroc"]
        assert difference["estimate"] == pytest.approx(first["auroc"] - second["auroc"])
        assert difference["interval"][0] <= difference["estimate"] <= difference["interval"][1]
    assert found["datasets"]["other"]["comparison"]["delong"] is None  # several images a patient
    for name in ("assessment.md", "assessment.html"):
        page = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "convolutional" in page
        assert "attentive" in page


def test_code_in_a_repo_is_never_run(dataset, tmp_path, capsys):
    save_resnet(tmp_path / "model", "covid19", "healthy")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {name: f"mine.{name}" for name in ("AutoConfig",)}}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    (tmp_path / "model" / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    flags = ["--dataset", str(dataset), "--out", str(tmp_path / "out"), "--positive", "covid19"]
    assert main(["--model", str(tmp_path / "model"), *flags]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "cannot be loaded as an image classifier" in error
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"id2label": {"0": "a"}, "label2id": {"a": 0}}, "--positive covid19"),
        ({"hidden_sizes": "wide"}, "cannot be loaded"),
        ({"model_type": "wav2vec2"}, "cannot be loaded"),
    ],
)
def test_a_model_that_cannot_be_used_is_one_line(change, part, dataset, tmp_path, capsys):
    save_resnet(tmp_path / "model", "covid19", "healthy")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    capsys.readouterr()
    flags = ["--dataset", str(dataset), "--out", str(tmp_path / "out"), "--positive", "covid19"]
    assert main(["--model", str(tmp_path / "model"), *flags]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert part in error


def test_a_split_that_is_missing_or_shares_patients_is_one_line(finished, with_external, tmp_path, capsys):
    outside, less = with_external / "external" / "clinic", tmp_path / "less"
    prepare(less, "phantom=40", image_size=36, search=False)
    for flags, part in (
        (["--dataset", str(outside), "--split", "validation"], "validation"),
        (["--dataset", f"again={less}", "--split", "train"], "are among the training data"),
    ):
        capsys.readouterr()
        assert main(["--model", str(finished), "--out", str(tmp_path / "out"), "--use_cpu", *flags]) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert part in error


def test_a_model_and_a_dataset_from_the_hub(dataset, tmp_path):
    save_resnet(tmp_path / "model", "covid19", "healthy")
    HfApi().create_repo("demo/foreign", exist_ok=True)
    sha = HfApi().upload_folder(repo_id="demo/foreign", folder_path=tmp_path / "model").oid
    HfApi().create_repo("demo/assessed", repo_type="dataset", exist_ok=True)
    HfApi().upload_folder(repo_id="demo/assessed", repo_type="dataset", folder_path=dataset, ignore_patterns=".cache/*")
    found = assess("demo/foreign", "demo/assessed", tmp_path / "out", "--positive", "covid19")
    assert (found["models"][0]["model_id"], found["models"][0]["revision"]) == ("demo/foreign", sha)


def test_a_dataset_of_one_class_has_no_auroc_and_still_a_report(tmp_path):
    save_resnet(tmp_path / "model", "covid19", "healthy")
    raw = tmp_path / "clinic" / "COVID"
    raw.mkdir(parents=True)
    for seed in range(20):
        Image.fromarray(draw_phantom(seed, 1).image).save(raw / f"{seed}.png")
    more = ["--external", "clinic"]
    prepare(tmp_path / "out", "phantom=60", f"folder={tmp_path / 'clinic'}", image_size=36, search=False, more=more)
    one_class = next((tmp_path / "out" / "external").iterdir())
    result = assess(tmp_path / "model", one_class, tmp_path / "report", "--positive", "covid19")
    assert result["datasets"]["set"]["results"][0]["auroc"] is None
