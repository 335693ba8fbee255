"""Conformal sets: quantiles and sets by hand, and how often the sets hold the true class."""

import numpy as np
import pytest
from scipy.special import expit

from cxr.schema.labels import COVID, NON_COVID
from cxr.statistics import conformal


def study(rng, a_class, distance=1.3):
    """Probabilities and labels of `a_class` images of each class."""
    labels = np.repeat([NON_COVID, COVID], a_class)
    return expit(distance * (rng.normal(size=2 * a_class) + distance * labels - distance / 2)), labels


def test_the_quantile_is_the_right_order_statistic():
    # 29 images: the ⌈30 · 0.9⌉ = 27th smallest; 20 images: the ⌈18.9⌉ = 19th
    probability = np.concatenate([np.arange(1, 30) / 100, 1 - np.arange(1, 21) / 100])
    fit = conformal.fit_quantiles(probability, np.repeat([NON_COVID, COVID], [29, 20]))
    assert fit["quantiles"] == pytest.approx({"NON-COVID": 0.27, "COVID": 0.19})
    assert fit["calibration_images"] == {"NON-COVID": 29, "COVID": 20}
    assert fit["level"] == 0.9


@pytest.mark.parametrize("covid", [0, 1, 19])
def test_a_class_with_too_few_images_is_in_every_set(covid):
    probability, labels = np.linspace(0, 1, 100 + covid), np.repeat([NON_COVID, COVID], [100, covid])
    fit = conformal.fit_quantiles(probability, labels)
    assert fit["quantiles"]["COVID"] == 1.0
    assert all(COVID in conformal.prediction_set(p, fit["quantiles"]) for p in (0.0, 0.3, 1.0))
    assert f"only {covid} COVID images" in conformal.missing_promise(fit["calibration_images"])


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.05, {NON_COVID}), (0.4, {NON_COVID}), (0.5, set()), (0.7, {COVID}), (1.0, {COVID})],
)
def test_sets_of_a_good_model_can_be_empty(probability, expected):
    assert conformal.prediction_set(probability, {"NON-COVID": 0.4, "COVID": 0.3 + 1e-12}) == expected


def test_sets_of_a_poor_model_hold_both():
    assert conformal.prediction_set(0.5, {"NON-COVID": 0.8, "COVID": 0.6}) == {NON_COVID, COVID}


@pytest.mark.parametrize("a_class", [100, 137])
def test_each_class_is_covered_at_the_level(a_class):
    rng, covered = np.random.default_rng(0), []
    for _ in range(100):
        quantiles = conformal.fit_quantiles(*study(rng, a_class))["quantiles"]
        covered.append(conformal.summarize_sets(*study(rng, 500), quantiles)["coverage"])
    for name in ("NON-COVID", "COVID"):
        assert 0.88 <= np.mean([shares[name] for shares in covered]) <= 0.93


def test_the_summary_counts_the_prediction_sets():
    probability, labels = study(np.random.default_rng(1), 200)
    quantiles = conformal.fit_quantiles(probability, labels)["quantiles"]
    summary = conformal.summarize_sets(probability, labels, quantiles)
    sets = [conformal.prediction_set(p, quantiles) for p in probability]
    assert summary["sets"] == pytest.approx(
        {kind: np.mean([len(s) == size for s in sets]) for size, kind in enumerate(("empty", "single", "both"))}
    )
    hits = [label in s for s, label in zip(sets, labels, strict=True) if label == COVID]
    assert summary["coverage"]["COVID"] == pytest.approx(np.mean(hits))
    assert conformal.summarize_sets(probability[:5], labels[:5], quantiles)["coverage"]["COVID"] is None
