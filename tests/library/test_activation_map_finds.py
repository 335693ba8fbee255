"""The map against known lesions: a small network learns phantoms, then must point at the opacities of new ones."""

from itertools import product

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.activation_map import activation_map, describe_location, peak
from cxr.imaging.geometry import visible_box
from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.phantom import Phantom, draw_phantom
from cxr.schema.labels import COVID, NON_COVID

SIDE, TRAINED, EPOCHS, BATCH = 96, 320, 8, 32


def untrained() -> ResNetForImageClassification:
    """Three stages: six cells a side at 96 pixels, about what a ResNet-50 has at 192."""
    set_seed(0)
    shape = {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "layer_type": "basic"}
    return ResNetForImageClassification(ResNetConfig(**shape))


def learn(model: ResNetForImageClassification) -> ResNetForImageClassification:
    processor, labels = make_processor(SIDE), torch.arange(TRAINED) % 2
    pictures = torch.cat([to_pixel_values([draw_phantom(seed, seed % 2).image], processor) for seed in range(TRAINED)])
    optimizer = torch.optim.AdamW(model.parameters())
    steps = EPOCHS * TRAINED // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(TRAINED).split(BATCH):
            loss = functional.cross_entropy(model.train()(pictures[chosen]).logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def look(model: ResNetForImageClassification, phantom: Phantom) -> tuple[float, np.ndarray]:
    """Probability of COVID, and the map."""
    given = model(to_pixel_values([phantom.image], make_processor(SIDE)), output_hidden_states=True)
    found = activation_map(given.hidden_states[-1][0], model.classifier[1].weight, COVID)
    return given.logits.softmax(dim=1)[0, COVID].item(), found


def points_at_a_lesion(phantom: Phantom, found: np.ndarray) -> bool:
    """Whether the strongest cell's centre lies in the mask, grown by a cell on every side."""
    height, width = phantom.image.shape
    left, top, right, bottom = visible_box((width, height), SIDE)
    cell = (right - left) / found.shape[1], (bottom - top) / found.shape[0]
    grown = cv2.dilate(phantom.mask.astype(np.uint8), np.ones([2 * round(side) + 1 for side in cell[::-1]], np.uint8))
    x, y = peak(found)
    return bool(grown[int(top + y * (bottom - top)), int(left + x * (right - left))])


def share_found(model: ResNetForImageClassification, count: int, threshold: float) -> tuple[int, float]:
    """How many new COVID phantoms reach the threshold, and the share of these whose map points at a lesion."""
    looked = [
        (phantom, *look(model, phantom))
        for phantom in (draw_phantom(seed, COVID) for seed in range(9000, 9000 + count))
    ]
    hits = [points_at_a_lesion(phantom, found) for phantom, probability, found in looked if probability >= threshold]
    return len(hits), float(np.mean(hits))


@pytest.mark.slow
def test_the_maps_maximum_lies_in_a_lesion():
    by_chance = share_found(untrained().eval(), 40, threshold=0.0)[1]
    model = learn(untrained())
    correct, hits = share_found(model, 60, threshold=0.5)
    assert correct >= 50
    assert hits >= 0.90
    assert hits >= by_chance + 0.15
    _lesions_make_the_map(model)


def _lesions_make_the_map(model: ResNetForImageClassification) -> None:
    """The same patients without opacities get weaker maps, and words that a reader can check."""
    pairs = [[look(model, draw_phantom(seed, label))[1] for label in (NON_COVID, COVID)] for seed in range(9000, 9020)]
    assert np.mean([healthy.max() < ill.max() for healthy, ill in pairs]) >= 0.9
    zones = {
        f"{side} {height} zone" for side, height in product(("right", "left", "central"), ("upper", "middle", "lower"))
    }
    assert all(set(describe_location(ill).split(" and ")) <= zones for _, ill in pairs)
