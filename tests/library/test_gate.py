"""The gate, fitted on phantoms and outliers made from them, and tested on images of kinds that it was not fitted on."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_images
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.gate import Gate
from cxr.gate.features import FeatureExtractor
from cxr.gate.fitting import fit_gate
from cxr.gate.gate import feature_count
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier
from cxr.imaging.preprocess import make_processor
from cxr.phantom import draw_phantom

PROCESSOR = make_processor(64)
Images = list[np.ndarray]


@pytest.fixture(scope="module")
def model() -> ResNetForImageClassification:
    """Two stages, the fewest that the gate needs."""
    set_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic")
    return ResNetForImageClassification(config).eval()


def xrays(start: int, count: int) -> Images:
    return [
        np.asarray(Image.fromarray(draw_phantom(seed, seed % 2).image).resize((80, 80)))
        for seed in range(start, start + count)
    ]


@pytest.fixture(scope="module")
def extract(model: ResNetForImageClassification) -> FeatureExtractor:
    return FeatureExtractor(model, PROCESSOR)


@pytest.fixture(scope="module")
def gate(extract: FeatureExtractor) -> Gate:
    return fit_gate(extract, xrays(0, 150), extract(xrays(1000, 60)), seed=0, progress=False)


def passed(gate: Gate, extract: FeatureExtractor, images: Images) -> float:
    return gate.passes(gate.score(extract(images))).float().mean().item()


def crops(rng: np.random.Generator) -> Images:
    """Parts of the photographs that scikit-learn ships, in gray."""
    shades = [np.asarray(Image.fromarray(image).convert("L")) for image in load_sample_images().images]
    sides = rng.integers(100, 420, 60)
    corners = [(rng.integers(0, 427 - side), rng.integers(0, 640 - side)) for side in sides]
    return [
        shades[i % 2][y : y + side, x : x + side] for i, (side, (y, x)) in enumerate(zip(sides, corners, strict=True))
    ]


def pages(rng: np.random.Generator) -> Images:
    made = []
    for index in range(40):
        page = Image.new("L", (240, 320), 255)
        for y in range(20, 300, int(rng.integers(11, 20))):
            ImageDraw.Draw(page).text((15, y), "the quick brown fox jumps over"[: rng.integers(8, 30)], fill=0)
        made.append(255 - np.asarray(page) if index % 2 else np.asarray(page))
    return made


UNSEEN = {
    "photographs": crops,
    "pages": pages,
    "shades": lambda rng: [np.full((90, 110), shade, np.uint8) for shade in range(0, 256, 5)],
    "normal noise": lambda rng: [rng.normal(128, 40, (90, 90)).clip(0, 255).astype(np.uint8) for _ in range(40)],
    "uniform noise": lambda rng: [rng.integers(0, 256, (200, 160), dtype=np.uint8) for _ in range(40)],
    "upside down": lambda rng: [np.rot90(image, 2) for image in xrays(3000, 60)],
    "turned left": lambda rng: [np.rot90(image) for image in xrays(3000, 60)],
    "turned right": lambda rng: [np.rot90(image, -1) for image in xrays(3000, 60)],
    "inverted": lambda rng: [255 - image for image in xrays(3000, 60)],
}


def test_new_phantoms_pass(gate: Gate, extract: FeatureExtractor):
    assert passed(gate, extract, xrays(2000, 150)) >= 0.97


@pytest.mark.parametrize("kind", UNSEEN)
def test_other_images_are_rejected(gate: Gate, extract: FeatureExtractor, kind: str):
    assert passed(gate, extract, UNSEEN[kind](np.random.default_rng(5))) <= 0.05


def test_validation_passes_at_the_chosen_rate(gate: Gate, extract: FeatureExtractor):
    assert 0.99 <= passed(gate, extract, xrays(1000, 60)) <= 1


@pytest.mark.parametrize("kind", OUTLIER_KINDS)
def test_an_outlier_differs_by_seed_and_is_reproducible(kind: str):
    xray = draw_phantom(4, 1).image
    made = [make_outlier(kind, xray, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert all(image.dtype == np.uint8 and sorted(image.shape)[0] >= 280 for image in made)
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], xray)


def test_the_same_fit_is_the_same_gate_and_comes_back_from_its_file(extract: FeatureExtractor, tmp_path: Path):
    first, second = (fit_gate(extract, xrays(0, 20), extract(xrays(1000, 5)), seed=3, progress=False) for _ in range(2))
    first.save(tmp_path / "gate.safetensors")
    loaded = Gate.load(tmp_path / "gate.safetensors")
    scores = [gate.score(extract(xrays(7, 3))) for gate in (first, second, loaded)]
    assert scores[1].tolist() == pytest.approx(scores[0].tolist(), abs=1e-5)
    assert torch.equal(loaded.weight, first.weight)
    assert scores[2].tolist() == pytest.approx(scores[0].tolist(), abs=1e-5)
    assert loaded.threshold == first.threshold
    assert "20 training X-rays" in loaded.fitted_on


def test_it_fits_networks_of_its_shape_only(gate: Gate, extract: FeatureExtractor, model: ResNetForImageClassification):
    assert gate.fits(model.config)
    assert len(gate.weight) == feature_count(model.config) == extract(xrays(0, 1)).shape[1]
    assert not gate.fits(ResNetConfig())


def test_nan_does_not_pass(gate: Gate):
    assert not gate.passes(float("nan"))
    assert gate.passes(gate.threshold)


def _damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _other_version(path: Path) -> None:
    save_file(load_file(path), path, metadata={"gate": '{"version": "0"}'})


def _no_gate(path: Path) -> None:
    save_file({"classifier": torch.zeros(2)}, path, metadata={"gate": '{"version": "1"}'})


def _no_number(path: Path) -> None:
    save_file(load_file(path) | {"bias": torch.tensor(float("nan"))}, path, metadata={"gate": '{"version": "1"}'})


@pytest.mark.parametrize("harm", [_damaged, _other_version, _no_gate, _no_number])
def test_a_file_that_is_not_a_gate_is_refused_by_name(gate: Gate, tmp_path: Path, harm: Callable[[Path], None]):
    path = tmp_path / "gate.safetensors"
    gate.save(path)
    harm(path)
    with pytest.raises(ValueError, match=r"gate\.safetensors"):
        Gate.load(path)


def test_answering_needs_no_scikit_learn(run_cli):
    done = run_cli(["-c", "import sys, cxr.gate; print('sklearn' in sys.modules)"])
    assert done.stdout.strip() == "False", done.stderr
    assert "sklearn" in sys.modules
