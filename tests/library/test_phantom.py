"""Phantoms: reproducible, as different as patients are, and telling the class by opacities in known places only."""

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from cxr.imaging.geometry import CROP_PCT
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from cxr.schema.probes import LUNG_BOX

SEEDS = range(60)


@pytest.fixture(scope="module")
def pairs() -> list:
    """The same patients and exposures, without and with opacities."""
    return [(draw_phantom(seed, NON_COVID), draw_phantom(seed, COVID)) for seed in SEEDS]


def test_the_same_seed_and_label_give_the_same_pixels():
    first, second = draw_phantom(3, COVID), draw_phantom(3, COVID)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_shapes_and_types(pairs):
    for phantom in pairs[0]:
        assert phantom.image.dtype == np.uint8
        assert phantom.mask.dtype == phantom.lungs.dtype == bool
        assert phantom.image.shape == phantom.mask.shape == phantom.lungs.shape


def test_the_label_changes_nothing_away_from_the_lungs_but_a_trace_of_scatter(pairs):
    for other, covid in pairs:
        assert (other.view, other.sex, other.age) == (covid.view, covid.sex, covid.age)
        np.testing.assert_array_equal(other.lungs, covid.lungs)
        changed = np.abs(other.image.astype(int) - covid.image.astype(int))
        away = cv2.distanceTransform((~covid.lungs).astype(np.uint8), cv2.DIST_L2, 5) > 30
        assert changed[away].max() <= 1
        assert changed[covid.mask].mean() > 20


def test_the_mask_is_where_opacities_are_and_only_covid_has_one(pairs):
    for other, covid in pairs:
        assert not other.mask.any()
        assert covid.mask.any()
        assert not (covid.mask & ~covid.lungs).any()


def test_opacities_are_bilateral_and_mostly_in_the_lower_half_of_the_lungs(pairs):
    lower, both_sides = [], []
    for _, covid in pairs:
        rows, columns = np.nonzero(covid.mask)
        lung_rows, lung_columns = np.nonzero(covid.lungs)
        lower.append((rows > lung_rows.mean()).mean())
        middle = lung_columns.mean()
        both_sides.append(bool((columns < middle).any() and (columns > middle).any()))
    assert np.mean(lower) > 0.6
    assert np.mean(both_sides) > 0.95


def test_different_phantoms_are_as_far_apart_as_different_patients():
    hashes = np.stack(
        [
            imagehash.phash(Image.fromarray(draw_phantom(seed, seed % 2).image), hash_size=16).hash.ravel()
            for seed in range(200)
        ]
    )
    distances = (hashes[:, None] != hashes[None]).sum(axis=2)[np.triu_indices(len(hashes), 1)]
    assert distances.min() > 40
    assert np.median(distances) > 100


def test_both_views_and_sexes_occur(pairs):
    assert {covid.view for _, covid in pairs} == {"AP", "PA"}
    assert {covid.sex for _, covid in pairs} == {"F", "M"}


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_nothing_outside_the_box_tells_the_class(seed):
    covid, other = draw_phantom(seed, COVID), draw_phantom(seed, NON_COVID)
    height, width = covid.image.shape
    y, x = np.abs(np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2)
    visible = min(height, width) * CROP_PCT / 2
    inside = (x < visible * LUNG_BOX[0]) & (y < visible * LUNG_BOX[1])
    border = (x > visible * 0.8) | (y > visible * 0.8)
    difference = np.abs(covid.image.astype(int) - other.image)
    assert not covid.mask[~inside].any()
    assert difference[~inside].max() <= 12  # scattered light of the opacities; they themselves differ by 60 and more
    assert difference[border].max() <= 4
    assert difference[inside].max() >= 30
    assert 0.08 < covid.mask.sum() / covid.lungs.sum() < 0.7
