"""Augmentation: seeded by image and step, mild, and no mirror image unless it is asked for."""

import dataclasses

import pytest
import torch

from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.phantom import draw_phantom
from cxr.schema.labels import NON_COVID
from cxr.training.arguments import AugmentationArguments
from cxr.training.data.batches import Augmentation

STILL = AugmentationArguments(rotate=0, shift=0, zoom=0, shear=0, brightness=0, contrast=0, noise=0)


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    return to_pixel_values([draw_phantom(seed, NON_COVID).image for seed in range(4)], make_processor(64))


KEYS = torch.tensor([11, 22, 33, 44])


def test_with_every_range_at_zero_nothing_changes(batch):
    torch.testing.assert_close(Augmentation(STILL, 0)(batch, KEYS, 5), batch, atol=1e-4, rtol=0)


def test_an_image_is_varied_by_seed_step_and_image_alone(batch):
    augment = Augmentation(AugmentationArguments(), 0)
    first = augment(batch, KEYS, 5)
    torch.manual_seed(99)
    shuffled = augment(batch.flip(0), KEYS.flip(0), 5).flip(0)
    assert torch.equal(first, shuffled)
    assert not torch.equal(first, augment(batch, KEYS, 6))
    assert not torch.equal(first, Augmentation(AugmentationArguments(), 1)(batch, KEYS, 5))


def test_it_moves_no_global_random_state(batch):
    before = torch.get_rng_state()
    Augmentation(AugmentationArguments(), 0)(batch, KEYS, 5)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("step", range(8))
def test_every_variation_is_nearer_to_the_image_than_to_its_mirror_image(batch, step):
    varied = Augmentation(AugmentationArguments(), 3)(batch, KEYS, step)
    to_image = (varied - batch).abs().mean(dim=(1, 2, 3))
    to_mirror = (varied - batch.flip(3)).abs().mean(dim=(1, 2, 3))
    assert (to_image < to_mirror).all()


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(AugmentationArguments)])
def test_each_setting_alone_varies_the_image(batch, name):
    value = {"rotate": 10, "mirror": 0.9, "noise": 1}.get(name, 0.2)
    varied = Augmentation(dataclasses.replace(STILL, **{name: value}), 0)(batch, KEYS, 0)
    assert (varied - batch).abs().max() > 0.05


def test_a_shift_moves_by_at_most_its_share(batch):
    point = torch.zeros(1, 1, 101, 101)
    point[0, 0, 50, 50] = 1.0
    settings = dataclasses.replace(STILL, shift=0.1)
    for step in range(20):
        moved = Augmentation(settings, 0)(point, torch.tensor([7]), step)[0, 0]
        row, column = divmod(int(moved.argmax()), 101)
        assert abs(row - 50) <= 11
        assert abs(column - 50) <= 11


def test_the_share_that_is_mirrored_is_mirrored_and_nothing_else_changes():
    images, keys = torch.rand(400, 1, 16, 16), torch.arange(400)
    varied = Augmentation(dataclasses.replace(STILL, mirror=0.3), 0)(images, keys, 0)
    mirrored = (varied - images.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-4
    unchanged = (varied - images).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (mirrored ^ unchanged).all()
    assert 0.23 < mirrored.float().mean() < 0.37


def test_noise_gives_all_channels_the_same_grey_values_within_the_range_of_the_image(batch):
    noisy = Augmentation(dataclasses.replace(STILL, noise=1), 0)(batch, KEYS, 0)
    scale, offset = torch.tensor([0.229, 0.224, 0.225]), torch.tensor([0.485, 0.456, 0.406])
    gray = noisy * scale.view(1, 3, 1, 1) + offset.view(1, 3, 1, 1)
    torch.testing.assert_close(gray[:, 1:], gray[:, :1].expand(-1, 2, -1, -1), atol=1e-4, rtol=0)
    assert (noisy.amin((2, 3)) >= batch.amin((2, 3)) - 1e-4).all()
    assert (noisy.amax((2, 3)) <= batch.amax((2, 3)) + 1e-4).all()
    assert ((noisy - batch).abs().amax((1, 2, 3)) > 0).all()


def test_noise_comes_in_four_kinds_of_known_size():
    images = torch.full((1000, 1, 32, 32), 0.25)
    images[:, :, 0, :2] = torch.tensor([0.0, 1.0])
    noise = Augmentation(dataclasses.replace(STILL, noise=1), 0)(images, torch.arange(1000), 0) - images
    inner = noise[:, 0, 1:]
    extreme = ((inner + 0.25 < 1e-6) | (inner + 0.25 > 1 - 1e-6)).float().mean((1, 2))
    still = (inner.abs() < 1e-6).float().mean((1, 2))
    salted = still > 0.9
    assert 0.2 < salted.float().mean() < 0.3
    torch.testing.assert_close(extreme[salted] + still[salted], torch.ones(int(salted.sum())))
    assert 0.015 < extreme[salted].mean() < 0.035
    spread = inner[~salted].std((1, 2))
    assert 0.035 < spread.mean() < 0.055
    assert spread.max() < 0.13


def test_the_share_with_noise_has_noise_and_nothing_else_changes():
    images, keys = torch.rand(2000, 1, 16, 16), torch.arange(2000)
    varied = Augmentation(dataclasses.replace(STILL, noise=0.3), 0)(images, keys, 0)
    noisy = (varied - images).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert 0.26 < noisy.float().mean() < 0.33
