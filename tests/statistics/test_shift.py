"""A shift is found where there is one, and neither chance nor another mix of classes is taken for one."""

import numpy as np
import pytest
from scipy.stats import ks_1samp, norm

from cxr.statistics.shift import MOST_QUANTILES, Reference, compare, compare_refused, quantiles


def reference(rng, count, mean=0.0):
    return Reference(count, quantiles(rng.normal(mean, 1, count)))


def test_the_distance_is_that_of_scipy():
    exact = Reference(10**6, norm.ppf(np.clip(np.linspace(0, 1, MOST_QUANTILES), 1e-4, 1 - 1e-4)).tolist())
    values = np.random.default_rng(0).normal(0.4, 1, 80)
    assert compare(values, [exact]).distance == pytest.approx(ks_1samp(values, norm.cdf).statistic, abs=0.01)


@pytest.mark.parametrize("size", [30, 100, 300])
def test_images_of_the_same_kind_in_any_mix_are_no_shift(size):
    rng = np.random.default_rng(size)
    found = []
    for draw in range(200):
        known = [reference(rng, 200, 4), reference(rng, 60, -4)]
        covid = round(size * (draw % 5) / 4)
        found.append(compare(np.concatenate([rng.normal(4, 1, covid), rng.normal(-4, 1, size - covid)]), known))
    assert not any(shift.is_shifted for shift in found)


@pytest.mark.parametrize("size", [30, 100, 300])
def test_images_between_both_classes_are_one(size):
    rng = np.random.default_rng(size)
    known = [reference(rng, 200, 4), reference(rng, 200, -4)]
    assert compare(rng.normal(0, 1, size), known).is_shifted


def test_a_small_difference_is_not_worth_a_warning_however_many_images_show_it():
    rng = np.random.default_rng(0)
    assert not compare(rng.normal(0.3, 1, 100_000), [reference(rng, 100_000)]).is_shifted
    assert compare(rng.normal(0.8, 1, 100_000), [reference(rng, 100_000)]).is_shifted


def test_a_few_images_of_validation_prove_nothing():
    rng = np.random.default_rng(0)
    assert not compare(rng.normal(1.5, 1, 300), [reference(rng, 5)]).is_shifted


def test_one_value_for_all_images_is_no_shift_from_itself():
    constant = Reference(100, quantiles(np.full(100, 3.0)))
    assert compare(np.full(50, 3.0), [constant]) == (0.0, False)
    assert compare(np.full(50, 3.1), [constant]) == (1.0, True)


def test_quantiles_hold_both_ends_and_are_few():
    values = np.random.default_rng(0).normal(size=5000)
    kept = quantiles(values)
    assert (kept[0], kept[-1], len(kept)) == (values.min(), values.max(), MOST_QUANTILES)
    assert quantiles(np.array([2.0])) == [2.0, 2.0]


def test_more_refusals_than_on_validation_are_a_shift_if_chance_hardly_gives_them():
    assert compare_refused(4, 30, 2, 254) == (pytest.approx(4 / 30 - 3 / 256), True)
    assert not compare_refused(2, 30, 2, 254).is_shifted
    assert not compare_refused(0, 30, 2, 254).is_shifted
    assert not compare_refused(300, 10_000, 2, 254).is_shifted  # significant, and hardly more
    assert not compare_refused(4, 30, 1, 10).is_shifted  # too few images of validation to know
