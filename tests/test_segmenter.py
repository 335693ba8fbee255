"""The lung region of the experiments, on phantoms, whose lungs are known."""

import numpy as np
import pytest
import torch

from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from experiments import segmenter
from experiments.interventions import INTERVENTIONS


@pytest.fixture(scope="module")
def briefly_trained():
    """A tenth of the phantoms and a tenth of the steps."""
    patch = pytest.MonkeyPatch()
    patch.setattr(segmenter, "_PHANTOMS", 64)
    patch.setattr(segmenter, "_EPOCHS", 12)
    segmenter.segmenter.cache_clear()
    images, before = torch.rand(1, 3, 80, 80), torch.get_rng_state()
    segmenter.lung_masks(images)  # as the trials first ask for it
    assert torch.equal(before, torch.get_rng_state())
    patch.undo()
    yield
    segmenter.segmenter.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("label", [COVID, NON_COVID])
def test_it_finds_lungs_that_it_has_not_seen(briefly_trained, label):
    shares, outside = [], []
    for seed in range(10):
        phantom = draw_phantom(seed, label)
        region = segmenter.lung_region(phantom.image)
        shares.append(phantom.lungs[region].sum() / phantom.lungs.sum())
        outside.append(region.mean())
    assert np.mean(shares) > 0.9
    assert np.mean(outside) < 0.8


@pytest.mark.slow
def test_the_crop_keeps_the_lungs_and_blackens_the_corners(briefly_trained):
    image = np.maximum(draw_phantom(3, NON_COVID).image, 1)
    cropped = INTERVENTIONS["lung_region"].preprocess(image)
    assert cropped.size < image.size
    assert (cropped[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).sum() >= 2


@pytest.mark.slow
def test_an_image_without_lungs_stays_as_it_is(briefly_trained, monkeypatch):
    image = np.full((80, 90), 128, np.uint8)
    monkeypatch.setattr(segmenter, "lung_masks", lambda images: torch.zeros(len(images), 1, 64, 64))
    assert segmenter.lung_region(image) is None
    assert segmenter.crop_to_lung_region(image) is image


def test_what_is_small_is_not_a_lung():
    mask = np.zeros((64, 64), np.uint8)
    mask[10:50, 5:25] = mask[10:50, 35:60] = 1
    mask[60:63, 0:10] = 1
    kept = segmenter._two_largest(mask)
    assert kept[:50].sum() == mask[:50].sum()
    assert kept[50:].sum() == 0
