"""Public libraries against the embedded Hub: datasets, transformers, cards."""

import subprocess
import sys

import datasets
import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    ConvNextImageProcessorPil,
    ResNetConfig,
    ResNetForImageClassification,
    pipeline,
)

CARD = """---
license: apache-2.0
tags: [x-ray]
model-index:
- name: tiny
  results:
  - task: {type: image-classification}
    dataset: {name: phantoms, type: synthetic}
    metrics: [{type: auroc, value: 0.5}]
---
# Tiny
"""


@pytest.fixture
def published(hub, tmp_path):
    """A tiny ResNet with random weights, pushed as one commit; gives its id and the model."""
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic", num_labels=2)
    model = ResNetForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "model")
    ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text(CARD)
    api = HfApi()
    api.create_repo("demo/tiny", exist_ok=True)
    commit = api.upload_folder(repo_id="demo/tiny", folder_path=tmp_path / "model")
    api.create_tag("demo/tiny", tag=commit.oid[:12])
    return "demo/tiny", model, commit.oid


def test_a_model_comes_back_with_the_same_logits(published):
    repo_id, model, sha = published
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for revision in ("main", sha, sha[:12], sha[:8]):
        pulled = AutoModelForImageClassification.from_pretrained(repo_id, revision=revision).eval()
        torch.testing.assert_close(pulled(pixels).logits, model(pixels).logits, rtol=0, atol=0)
    assert AutoImageProcessor.from_pretrained(repo_id).size["shortest_edge"] == 32


def test_a_pipeline_answers_by_the_models_id(published):
    image = Image.fromarray(np.full((40, 40, 3), 127, np.uint8))
    answer = pipeline("image-classification", model=published[0])(image)
    assert {score["label"] for score in answer} == {"LABEL_0", "LABEL_1"}


def test_a_card_comes_back_as_it_was_pushed(published):
    ModelCard(CARD + "\nchanged").push_to_hub(published[0])
    card = ModelCard.load(published[0])
    assert card.content.rstrip().endswith("changed")
    assert card.data.eval_results[0].metric_value == 0.5


@pytest.fixture
def images():
    """Two splits of gray images with class labels."""
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["NON-COVID", "COVID"])}
    )

    def split(values):
        pixels = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in values]
        labels = [value % 2 for value in values]
        return datasets.Dataset.from_dict({"image": pixels, "label": labels}, features=features)

    return datasets.DatasetDict({"train": split(range(10, 16)), "test": split([20, 21])})


def pixels(split):
    return [(np.asarray(row["image"])[0, 0], row["label"]) for row in split]


def test_a_dataset_comes_back_loaded_or_streamed(hub, images):
    images.push_to_hub("demo/images", private=False)
    loaded = datasets.load_dataset("demo/images")
    assert loaded["train"].features == images["train"].features
    assert {name: pixels(split) for name, split in loaded.items()} == {k: pixels(v) for k, v in images.items()}
    streamed = datasets.load_dataset("demo/images", split="test", streaming=True)
    assert pixels(streamed) == pixels(images["test"])
    pinned = HfApi().dataset_info("demo/images").sha
    images["test"].push_to_hub("demo/images", split="test", num_shards=2)
    assert len([name for name in HfApi().list_repo_files("demo/images", repo_type="dataset") if "test-" in name]) == 2
    assert len(datasets.load_dataset("demo/images", split="train", revision=pinned)) == 6
    assert pixels(datasets.load_dataset("demo/images", split="test")) == pixels(images["test"])


def test_a_process_that_knows_nothing_of_ours_can_pull(published, env, tmp_path):
    code = (
        "import sys; from transformers import AutoModelForImageClassification as A; "
        "print(A.from_pretrained(sys.argv[1]).config.num_labels, [m for m in sys.modules if m.startswith('cxr')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, published[0]], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.split("\n")[0] == "2 []"
