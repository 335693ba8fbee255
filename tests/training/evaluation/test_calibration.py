"""Calibration: known answers, the order of the images, a head that carries it, and splits that are too small for it."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from transformers import ResNetConfig, ResNetForImageClassification

from cxr.network.classifier import Reading
from cxr.statistics import metrics
from cxr.training.evaluation.calibration import Calibration, fit_calibration, fold


def calibrated(auroc_distance=1.8124, images=5000, seed=0, prevalence=0.5):
    """Margins that are the true log odds of their labels: two normal classes of variance 1 that far apart."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(images) < prevalence).astype(int)
    score = rng.normal(size=images) + auroc_distance * labels
    return auroc_distance * score - auroc_distance**2 / 2 + np.log(prevalence / (1 - prevalence)), labels


@pytest.mark.parametrize("seed", range(4))
def test_an_overconfident_model_is_calibrated_and_keeps_its_auroc_to_the_bit(seed):
    true, labels = calibrated(seed=seed)
    over = 3 * true
    found = fit_calibration(over, labels, with_bias=False)
    after = found.apply(over)
    assert metrics.ece(expit(over), labels) > 0.05
    assert metrics.ece(expit(after), labels) < 0.02
    assert found.temperature == pytest.approx(3, rel=0.08)
    assert metrics.auroc(after, labels) == metrics.auroc(over, labels) == pytest.approx(0.9, abs=0.01)
    computed = [metrics.compute_metrics(expit(m), labels, score=m) for m in (over, after)]
    assert computed[0]["auroc"] == computed[1]["auroc"]
    assert computed[0]["auprc"] == computed[1]["auprc"]


def test_float32_margins_keep_their_order():
    true, labels = calibrated()
    over = (40 * true).astype(np.float32)
    found = fit_calibration(over, labels, with_bias=True)
    assert metrics.auroc(found.apply(over), labels) == metrics.auroc(over, labels)


def test_a_bias_gives_back_the_prevalence_that_class_weights_took():
    true, labels = calibrated(prevalence=0.1)
    weighted_loss = 2 * (true + np.log(9))
    found = fit_calibration(weighted_loss, labels, with_bias=True)
    assert found.temperature == pytest.approx(2, rel=0.1)
    assert found.bias == pytest.approx(-np.log(9), abs=0.3)
    assert metrics.ece(expit(found.apply(weighted_loss)), labels) < 0.02
    assert fit_calibration(weighted_loss, labels, with_bias=False).bias == 0


@pytest.mark.parametrize(
    "scores",
    [np.linspace(-1, 1, 200), np.linspace(-1e4, 1e4, 200), -np.linspace(-3, 3, 200), np.repeat([-1e-6, 1e-6], 100)],
)
def test_separable_reversed_and_huge_margins_give_a_sane_temperature(scores):
    labels = (np.arange(200) >= 100).astype(int)
    found = fit_calibration(scores, labels, with_bias=True)
    assert 0.04 <= found.temperature <= 21
    assert abs(found.bias) <= 10
    assert np.isfinite(found.apply(scores)).all()


@pytest.mark.parametrize(
    ("negatives", "positives", "reason"),
    [(19, 500, "only 19 NON-COVID images"), (500, 0, "only 0 COVID"), (2, 3, "only 2")],
)
def test_too_small_a_validation_split_changes_nothing_and_gives_the_reason(negatives, positives, reason):
    labels = np.repeat([0, 1], [negatives, positives])
    found = fit_calibration(np.random.default_rng(0).normal(size=len(labels)), labels, with_bias=True)
    assert (found.temperature, found.bias) == (1.0, 0.0)
    assert reason in found.reason


def test_a_model_that_always_answers_the_same_is_left_alone():
    found = fit_calibration(np.full(100, 0.3), np.arange(100) % 2, with_bias=True)
    assert (found.temperature, found.bias) == (1.0, 0.0)
    assert "same score" in found.reason


def test_the_saved_head_carries_it(tmp_path):
    tiny = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(num_labels=2, operating_threshold=0.4, **tiny)).eval()
    model.classifier[1].weight.data *= 20
    model.save_pretrained(tmp_path)
    images = torch.randn(16, 3, 32, 32)
    with torch.inference_mode():
        before = Reading().margin(model(images).logits.numpy())
    fold(tmp_path, Calibration(temperature=1.7, bias=-0.6))
    plain = ResNetForImageClassification.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        after = Reading().margin(plain(images).logits.numpy())
    assert after == pytest.approx(before / 1.7 - 0.6, abs=1e-5)
    assert plain.config.operating_threshold == 0.4
