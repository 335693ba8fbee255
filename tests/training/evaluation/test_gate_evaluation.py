"""The gate of a finished model: fitted, saved, and tried on images that were not used to fit it."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from scipy.special import expit
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.gate import Gate
from cxr.gate.outliers import OUTLIER_KINDS
from cxr.imaging.preprocess import make_processor
from cxr.phantom import draw_phantom
from cxr.schema.document import check
from cxr.schema.gate import ValidationDistribution
from cxr.schema.model_repo import GATE
from cxr.training.data.dataset import XrayDataset
from cxr.training.evaluation.evaluation import Evaluator, Scores
from cxr.training.evaluation.gate_evaluation import add_gate


def split(start: int, count: int) -> datasets.Dataset:
    images = [
        Image.fromarray(draw_phantom(seed, seed % 2).image).resize((56, 56)) for seed in range(start, start + count)
    ]
    hashes = [f"{seed * 7919 % 1000:015x}" for seed in range(count)]
    features = datasets.Features({"image": datasets.Image(), "sha256": datasets.Value("string")})
    return datasets.Dataset.from_dict({"image": images, "sha256": hashes}, features)


def holding(**splits: datasets.Dataset) -> XrayDataset:
    return XrayDataset(datasets.DatasetDict(splits), {"counts": {}}, "phantoms", None)


def scores(count: int) -> Scores:
    """A margin of i for image i, whose class is i % 2."""
    return Scores(np.arange(count, dtype=float), {"label": [number % 2 for number in range(count)]})


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    set_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(tmp_path)
    make_processor(48).save_pretrained(tmp_path)
    return tmp_path


def test_the_gate_is_saved_and_what_it_passes_and_refuses_is_returned(model_dir: Path):
    dataset = holding(train=split(0, 60), validation=split(1000, 20), test=split(2000, 20))
    elsewhere = {"elsewhere": holding(test=split(3000, 15))}
    facts, distribution = add_gate(Evaluator(model_dir), dataset, elsewhere, scores(20), seed=0)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["threshold"] == Gate.load(model_dir / GATE).threshold.item()
    assert "60 training X-rays" in facts["fitted_on"]
    assert facts["passed"]["validation"] == {"n": 20, "share": 1.0}
    assert facts["passed"]["test"]["n"] == 20
    assert facts["passed"]["external"]["elsewhere"]["n"] == 15
    assert facts["passed"]["test"]["share"] >= 0.8
    assert list(facts["refused"]) == list(OUTLIER_KINDS)
    assert all(seen["n"] == 20 for seen in facts["refused"].values())
    assert np.mean([seen["share"] for seen in facts["refused"].values()]) >= 0.9
    check(ValidationDistribution, distribution)
    assert distribution["COVID"]["n"] == distribution["NON-COVID"]["n"] == 10
    assert distribution["COVID"]["refused"] == distribution["NON-COVID"]["refused"] == 0
    assert distribution["COVID"]["probability"] == pytest.approx(expit(np.arange(1, 20, 2)))
    assert min(part["gate_score"][0] for part in distribution.values()) >= facts["threshold"]


def test_a_class_that_is_not_among_the_chosen_images_is_left_out(model_dir: Path):
    dataset = holding(train=split(0, 24), validation=split(1000, 5), test=split(2000, 5))
    only = Scores(np.zeros(5), {"label": [1] * 5})
    assert list(add_gate(Evaluator(model_dir), dataset, {}, only, seed=0).distribution) == ["COVID"]


def test_the_order_of_the_images_does_not_matter(model_dir: Path):
    others = {"validation": split(1000, 5), "test": split(2000, 5)}
    train, found = split(0, 24), []
    for order in (range(24), reversed(range(24))):
        add_gate(Evaluator(model_dir), holding(train=train.select(list(order)), **others), {}, scores(5), seed=0)
        found.append((model_dir / GATE).read_bytes())
    assert found[0] == found[1]


def test_a_stream_gives_its_first_images(model_dir: Path):
    stream = {"train": split(0, 24).to_iterable_dataset()}
    dataset = XrayDataset(stream | {"validation": split(1000, 5), "test": split(2000, 5)}, {}, "phantoms", None)
    assert "24 training X-rays" in add_gate(Evaluator(model_dir), dataset, {}, scores(5), seed=0).summary["fitted_on"]
