"""The class activation map: its arithmetic, its words, and on phantoms with known lesions what it points at."""

from itertools import product

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.imaging.geometry import visible_box
from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.network.activation_map import activation_map, cell_centre, describe_location, net_evidence, resample_to_image
from cxr.phantom import Phantom, draw_phantom
from cxr.schema.labels import COVID, NON_COVID

SIDE, TRAINED, EPOCHS, BATCH = 96, 320, 8, 32


def peak(evidence: np.ndarray) -> tuple[float, float]:
    """The centre of the strongest cell, as shares of the width and height of the visible part."""
    return cell_centre(evidence, int(evidence.argmax()))


def test_the_map_adds_up_to_the_logits():
    set_seed(0)
    model = ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])).eval()
    with torch.inference_mode():
        given = model(torch.randn(1, 3, 64, 64), output_hidden_states=True)
    head = model.classifier[1]
    evidence = activation_map(given.hidden_states[-1][0], head.weight, COVID)
    difference = (given.logits[0, COVID] - given.logits[0, 1 - COVID] - head.bias[COVID] + head.bias[1 - COVID]).item()
    assert evidence.shape == given.hidden_states[-1].shape[2:]
    assert evidence.dtype == np.float32
    assert evidence.mean() == pytest.approx(difference, abs=1e-5)


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("offset", [-3.0, 0.0, 9.0])
def test_the_positive_places_hold_no_more_than_the_answer(probability: float, offset: float):
    evidence = np.random.default_rng(0).normal(offset, 20, (7, 7)).astype(np.float32)
    net = net_evidence(evidence, probability)
    with np.errstate(divide="ignore"):
        assert net.mean() <= -np.log1p(-probability) + 1e-6
    assert (net >= 0).all()
    assert (net <= evidence.clip(min=0)).all()
    assert net.dtype == np.float32
    if probability in (0.5, 0.99):  # the proportions of the places stay
        assert net / net.max() == pytest.approx(evidence.clip(min=0) / evidence.max(), abs=1e-6)


def test_evidence_that_the_answer_holds_is_drawn_as_it_is():
    evidence = np.zeros((4, 4), np.float32)
    evidence[1:3, 1:3] = 8
    assert np.array_equal(net_evidence(evidence, 0.9), evidence)  # a mean of 2, and −ln(0.1) is 2.3


@pytest.mark.parametrize("size", [(300, 300), (431, 300), (300, 417), (90, 200)])
@pytest.mark.parametrize("input_size", [128, 224, 384])
def test_the_visible_box_is_what_the_processor_keeps(size: tuple[int, int], input_size: int):
    """A ramp tells where each side of the processor's output was in the image."""
    width, height = size
    left, top, right, bottom = visible_box(size, input_size)
    for axis, length, start, end in ((1, width, left, right), (0, height, top, bottom)):
        ramp = np.linspace(20, 230, length)
        image = np.broadcast_to(ramp if axis else ramp[:, None], (height, width)).astype(np.uint8)
        shades = to_pixel_values([image], make_processor(input_size))[0, 0].numpy().mean(axis=1 - axis)
        shades = (shades * 0.229 + 0.485) * 255
        inner = shades[len(shades) // 4], shades[3 * len(shades) // 4]
        expected = [
            np.interp(start + (at + 0.5) / len(shades) * (end - start) - 0.5, np.arange(length), ramp)
            for at in (len(shades) // 4, 3 * len(shades) // 4)
        ]
        assert inner == pytest.approx(expected, abs=1.5)


def test_resampled_to_the_image_the_map_stays_in_place():
    evidence = np.zeros((4, 4), np.float32)
    evidence[3, 0] = 1
    resampled = resample_to_image(evidence, (600, 400), 128)
    left, top, right, bottom = visible_box((600, 400), 128)
    row, column = np.unravel_index(np.nanargmax(resampled), resampled.shape)
    assert resampled.shape == (400, 600)
    assert left <= column + 0.5 <= left + (right - left) / 4
    assert bottom - (bottom - top) / 4 <= row + 0.5 <= bottom
    assert np.isnan(resampled[:, : int(left)]).all()
    assert np.isnan(resampled[int(bottom) + 1 :]).all()
    assert np.isfinite(resampled[200, int(left) + 1 : int(right) - 1]).all()


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ((0, 0), "right upper zone"),
        ((6, 6), "left lower zone"),
        ((3, 3), "central middle zone"),
        ((3, 1), "right middle zone"),
        ((6, 3), "central lower zone"),
    ],
)
def test_the_patients_right_is_the_viewers_left(cell: tuple[int, int], words: str):
    evidence = np.zeros((7, 7), np.float32)
    evidence[cell] = 1
    assert describe_location(evidence) == words
    assert peak(evidence) == pytest.approx(((cell[1] + 0.5) / 7, (cell[0] + 0.5) / 7))


def test_two_places_of_equal_strength_are_both_named_and_no_evidence_is_stated():
    both = np.zeros((7, 7), np.float32)
    both[6, 0], both[6, 6] = 1.0, 0.9
    assert describe_location(both) == "right lower zone and left lower zone"
    assert describe_location(-both - 1) == "nowhere in particular"


def untrained() -> ResNetForImageClassification:
    """Three stages: six cells per side at 96 pixels, about as many as a ResNet-50 has at 192."""
    set_seed(0)
    shape = {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "layer_type": "basic"}
    return ResNetForImageClassification(ResNetConfig(**shape))


def train(model: ResNetForImageClassification) -> ResNetForImageClassification:
    processor, labels = make_processor(SIDE), torch.arange(TRAINED) % 2
    images = torch.cat([to_pixel_values([draw_phantom(seed, seed % 2).image], processor) for seed in range(TRAINED)])
    optimizer = torch.optim.AdamW(model.parameters())
    steps = EPOCHS * TRAINED // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(TRAINED).split(BATCH):
            loss = functional.cross_entropy(model.train()(images[chosen]).logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def explain(model: ResNetForImageClassification, phantom: Phantom) -> tuple[float, np.ndarray]:
    """Probability of COVID, and the map."""
    output = model(to_pixel_values([phantom.image], make_processor(SIDE)), output_hidden_states=True)
    evidence = activation_map(output.hidden_states[-1][0], model.classifier[1].weight, COVID)
    return output.logits.softmax(dim=1)[0, COVID].item(), evidence


def points_at_a_lesion(phantom: Phantom, evidence: np.ndarray) -> bool:
    """Whether the strongest cell's centre is in the mask, dilated by a cell on every side."""
    height, width = phantom.image.shape
    left, top, right, bottom = visible_box((width, height), SIDE)
    cell = (right - left) / evidence.shape[1], (bottom - top) / evidence.shape[0]
    grown = cv2.dilate(phantom.mask.astype(np.uint8), np.ones([2 * round(side) + 1 for side in cell[::-1]], np.uint8))
    x, y = peak(evidence)
    return bool(grown[int(top + y * (bottom - top)), int(left + x * (right - left))])


def lesion_share(model: ResNetForImageClassification, count: int, threshold: float) -> tuple[int, float]:
    """How many new COVID phantoms reach the threshold, and in what share of these the map points at a lesion."""
    explained = [
        (phantom, *explain(model, phantom))
        for phantom in (draw_phantom(seed, COVID) for seed in range(9000, 9000 + count))
    ]
    positive = [(phantom, evidence) for phantom, probability, evidence in explained if probability >= threshold]
    hits = [points_at_a_lesion(phantom, evidence) for phantom, evidence in positive]
    return len(hits), float(np.mean(hits))


@pytest.mark.slow
def test_the_maps_maximum_lies_in_a_lesion():
    by_chance = lesion_share(untrained().eval(), 40, threshold=0.0)[1]
    model = train(untrained())
    correct, hits = lesion_share(model, 60, threshold=0.5)
    assert correct >= 50
    assert hits >= 0.90
    assert hits >= by_chance + 0.15
    _lesions_make_the_map(model)


def _lesions_make_the_map(model: ResNetForImageClassification) -> None:
    """The same patients without opacities get weaker maps, and the words name known zones."""
    pairs = [
        [explain(model, draw_phantom(seed, label))[1] for label in (NON_COVID, COVID)] for seed in range(9000, 9020)
    ]
    assert np.mean([healthy.max() < ill.max() for healthy, ill in pairs]) >= 0.9
    zones = {
        f"{side} {height} zone" for side, height in product(("right", "left", "central"), ("upper", "middle", "lower"))
    }
    assert all(set(describe_location(ill).split(" and ")) <= zones for _, ill in pairs)
