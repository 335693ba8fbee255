import numpy as np
import pytest

from cxr.statistics.localization import box_mask, compare, point, usual_places


def test_a_box_covers_its_share_of_the_image():
    mask = box_mask([(0.25, 0.5, 0.75, 1.0), (0.0, 0.0, 0.25, 0.25)], (80, 40))
    assert mask.shape == (40, 80)
    assert mask.sum() == 40 * 20 + 20 * 10
    assert mask[39, 40]
    assert mask[0, 0]
    assert not mask[19, 40]


def test_a_map_points_inside_or_not():
    marked = box_mask([(0, 0, 0.5, 1)], (10, 10))
    inside, outside = np.zeros((10, 10)), np.zeros((10, 10))
    inside[3, 2], inside[3, 8] = 2, 1
    outside[3, 2], outside[3, 8], outside[0, 0] = 1, 3, -7
    assert point(inside, marked) == (1, pytest.approx(2 / 3), 0.5)
    assert point(outside, marked) == (0, 0.25, 0.5)


def test_a_constant_map_hits_as_often_as_chance_and_has_no_evidence_where_it_is_negative():
    assert point(np.full((10, 10), -1.0), box_mask([(0, 0, 0.4, 1)], (10, 10))) == (0.4, None, 0.4)
    assert point(np.full((10, 10), 1.0), box_mask([(0, 0, 0.4, 1)], (10, 10))) == (0.4, 0.4, 0.4)


def test_what_the_network_did_not_see_counts_nowhere():
    evidence = np.full((10, 10), np.nan)
    evidence[:, 5:] = 1
    assert point(evidence, box_mask([(0, 0, 0.5, 1)], (10, 10))) is None
    assert point(evidence, box_mask([(0, 0, 0.6, 1)], (10, 10))).area == pytest.approx(0.2)


def test_the_usual_place_is_that_of_the_other_images():
    left, right = box_mask([(0, 0, 0.5, 1)], (4, 4)), box_mask([(0.5, 0, 1, 1)], (4, 4))
    places = usual_places([left, left, right])
    assert point(places[0], left).hits == 0.5  # one of the two others is on either side
    assert point(places[2], right).hits == 0


def test_all_ways_of_pointing_are_measured_on_the_same_images():
    """Marks on the left in 30 images, on the right in 10, and one whose marks are not seen; every map points left."""
    left, right = box_mask([(0, 0, 0.5, 1)], (10, 10)), box_mask([(0.5, 0, 1, 1)], (10, 10))
    masks = [left] * 30 + [right] * 10 + [box_mask([(0, 0, 1, 0.1)], (10, 10))]
    pointing_left = np.where(left, 1.0, -1.0)
    maps = [pointing_left] * 40 + [np.concatenate([np.full((1, 10), np.nan), pointing_left[1:]])]
    patients = [f"p{number // 2}" for number in range(41)]
    found = compare(maps, [-each for each in maps], masks, patients)
    assert (found["n"], found["patients"]) == (40, 20)
    expected = {"class_activation_map": 0.75, "random_weights": 0.25, "usual_place": 0.75, "chance": 0.5}
    assert {way: found[way]["pointing_game"] for way in expected} == pytest.approx(expected)
    low, high = found["class_activation_map"]["intervals"]["pointing_game"]
    assert 0.4 < low < 0.75 < high < 0.95
    assert found["class_activation_map"]["evidence_inside"] == 0.75
    assert found["chance"]["intervals"]["pointing_game"] == pytest.approx([0.5, 0.5])


def test_nothing_marked_or_seen_is_no_measurement():
    assert compare([], [], [], []) is None
    assert compare([np.full((4, 4), np.nan)], [np.full((4, 4), np.nan)], [np.ones((4, 4), bool)], ["a"]) is None
    single = compare([np.ones((4, 4))], [-np.ones((4, 4))], [np.ones((4, 4), bool)], ["a"])
    assert single["class_activation_map"]["intervals"]["pointing_game"] is None
    assert single["random_weights"]["evidence_inside"] is None
