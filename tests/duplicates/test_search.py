"""Near-duplicates are found whatever was done to them, and different images are not taken for any."""

import numpy as np
import pytest
from planted import KINDS, LEAST_RECALL, find, planted, recalls, wrong

from cxr.imaging.geometry import resize_to_short_side
from cxr.imaging.reader import read_radiograph
from cxr.phantom import draw_phantom
from dataset_script.duplicates import fingerprint as fingerprints
from dataset_script.duplicates.candidates import propose_pairs
from dataset_script.duplicates.fingerprint import fingerprint, trim
from dataset_script.duplicates.registration import ACCEPT, Prepared, make_squares, similarity
from dataset_script.duplicates.search import Pair, cluster_pairs, find_pairs


def phantoms(count, start=0):
    return [draw_phantom(seed, seed % 2).image for seed in range(start, start + count)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_near_duplicate_of_every_kind_is_found_and_nothing_else(kind):
    originals = phantoms(4, start=100)
    pairs = find([*originals, *(KINDS[kind](pixels) for pixels in originals)])
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 4), (1, 5), (2, 6), (3, 7)]


@pytest.mark.slow
def test_planted_near_duplicates_of_phantoms_are_found_with_few_comparisons():
    originals = phantoms(180, start=1000)
    compared = {}
    pairs = find(planted(originals), known=compared)
    assert len(compared) <= 3 * 2 * len(originals)
    shares = recalls(pairs, len(originals))
    assert {kind: share for kind, share in shares.items() if share < LEAST_RECALL[kind]} == {}
    assert len(wrong(pairs, len(originals))) <= 0.01 * len(pairs)


def test_two_images_of_one_body_are_no_near_duplicates():
    images = [resize_to_short_side(pixels, 256) for pixels in phantoms(12, start=300)]
    ready = [Prepared(make_squares(trim(pixels))) for pixels in images]
    scores = [similarity(first, second) for i, first in enumerate(ready) for second in ready[:i]]
    assert max(scores) < ACCEPT


def test_annotations_and_stretching_and_an_uneven_crop_do_not_hide_a_near_duplicate():
    original = draw_phantom(7, 0).image
    marked = original.copy()
    marked[20:60, 20:90], marked[150:250, 100:105], marked[150:155, 100:200] = 255, 255, 255
    stretched = resize_to_short_side(original, 300)[:, ::2].repeat(2, axis=1)[:300, :300]
    uneven = original[round(0.08 * len(original)) :]
    for changed in (marked, stretched, uneven):
        assert [(pair.first, pair.second) for pair in find([original, *phantoms(6, start=50), changed])] == [(0, 7)]


def test_equal_pixels_are_duplicates_even_of_a_blank_image_without_a_comparison():
    blank, other = np.zeros((300, 260), np.uint8), np.full((300, 260), 200, np.uint8)
    image = draw_phantom(3, 1).image
    assert find([blank, image, blank, image, other, blank]) == [Pair(0, 2, 1.0), Pair(0, 5, 1.0), Pair(1, 3, 1.0)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 40), (16, 16)])
def test_tiny_images_have_a_fingerprint_and_can_be_compared(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert fingerprint(pixels).shape == (fingerprints.SIZE,)
    one, other = (Prepared(make_squares(trim(image))) for image in (pixels, draw_phantom(0, 0).image))
    assert similarity(one, other) < ACCEPT


def test_none_and_one_image_have_no_near_duplicates():
    nothing = np.empty((0, fingerprints.SIZE), np.uint8)
    assert find_pairs(nothing, None, progress=False) == []
    assert find([draw_phantom(0, 0).image]) == []
    assert cluster_pairs([], 3) == []


def test_a_fingerprint_takes_less_than_a_kilobyte():
    assert fingerprint(draw_phantom(0, 0).image).nbytes == fingerprints.SIZE <= 1000


def test_borders_are_trimmed_until_none_is_left():
    rng = np.random.default_rng(0)
    inner = rng.integers(30, 220, (120, 100)).astype(np.uint8)
    framed = np.pad(np.pad(inner, 7, constant_values=255), ((9, 5), (0, 11)))
    noisy = np.clip(framed.astype(int) + rng.integers(-3, 4, framed.shape), 0, 255).astype(np.uint8)
    assert np.array_equal(fingerprints.trim(framed), inner)
    assert fingerprints.trim(noisy).shape == inner.shape


def test_threads_and_the_order_of_images_change_nothing():
    images = planted(phantoms(18, start=500))
    alone, together = find(images), find(images, num_proc=2)
    assert alone == together
    backwards = find(images[::-1])
    last = len(images) - 1
    turned = sorted(Pair(last - pair.second, last - pair.first, pair.similarity) for pair in backwards)
    assert turned == alone


def test_what_an_earlier_run_compared_is_not_compared_again():
    images = [resize_to_short_side(pixels, 256) for pixels in planted(phantoms(9, start=600))]
    marks = np.stack([fingerprint(pixels) for pixels in images])
    known = {}
    first = find_pairs(marks, images.__getitem__, known=known, progress=False)
    assert find_pairs(marks, None, known=known, progress=False) == first
    new = KINDS["JPEG 60"](images[0])
    asked = set()

    def load(index):
        asked.add(index)
        return [*images, new][index]

    before = len(known)
    more = find_pairs(np.vstack([marks, fingerprint(new)]), load, known=known, progress=False)
    assert (0, len(images)) in {(pair.first, pair.second) for pair in more}
    assert len(images) in asked
    assert 0 < len(known) - before <= 2 * len(images)


def test_clusters_join_pairs_in_order():
    pairs = [Pair(5, 7, 0.9), Pair(1, 2, 1.0), Pair(2, 9, 0.95), Pair(0, 5, 0.9)]
    assert cluster_pairs(pairs, 11) == [[0, 5, 7], [1, 2, 9]]


def test_many_near_duplicates_of_one_image_make_one_cluster():
    image, others = draw_phantom(11, 0).image, phantoms(10, start=700)
    changed = [KINDS["gamma 0.8"](np.clip(image.astype(int) + shift, 0, 255).astype(np.uint8)) for shift in range(20)]
    pairs = find([*others, *changed])
    assert cluster_pairs(pairs, 30) == [list(range(10, 30))]


def test_candidates_hold_near_codes_among_many():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (6000, 6, 32)).astype(np.uint8)
    codes[5000:5060] = codes[:60]
    codes[5000:5060, :, :3] ^= rng.integers(0, 256, (60, 6, 3)).astype(np.uint8)
    proposed = set(map(tuple, propose_pairs(codes).tolist()))
    assert {(i, 5000 + i) for i in range(60)} <= proposed
    assert all(i < j for i, j in proposed)
    assert np.array_equal(propose_pairs(codes), propose_pairs(codes, num_proc=2))


@pytest.mark.slow
def test_planted_near_duplicates_of_real_radiographs_are_found_with_few_comparisons(shared_data):
    files = sorted((shared_data / "nih").glob("*/*.jpg"))[::4]
    originals = [read_radiograph(path).pixels for path in files]
    compared = {}
    pairs = find(planted(originals), known=compared)
    assert len(compared) <= 3 * 2 * len(originals)
    shares = recalls(pairs, len(originals))
    assert {kind: share for kind, share in shares.items() if share < LEAST_RECALL[kind]} == {}
    assert len(wrong(pairs, len(originals))) <= 0.01 * len(pairs)
