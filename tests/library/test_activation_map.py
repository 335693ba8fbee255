import numpy as np
import pytest
import torch
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.activation_map import activation_map, describe_location, peak, resample_to_image
from cxr.imaging.geometry import visible_box
from cxr.imaging.preprocess import make_processor, to_pixel_values
from cxr.schema.labels import COVID


def test_the_map_adds_up_to_the_logits():
    set_seed(0)
    model = ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])).eval()
    with torch.inference_mode():
        given = model(torch.randn(1, 3, 64, 64), output_hidden_states=True)
    head = model.classifier[1]
    found = activation_map(given.hidden_states[-1][0], head.weight, COVID)
    difference = (given.logits[0, COVID] - given.logits[0, 1 - COVID] - head.bias[COVID] + head.bias[1 - COVID]).item()
    assert found.shape == given.hidden_states[-1].shape[2:]
    assert found.dtype == np.float32
    assert found.mean() == pytest.approx(difference, abs=1e-5)


@pytest.mark.parametrize("size", [(300, 300), (431, 300), (300, 417), (90, 200)])
@pytest.mark.parametrize("input_size", [128, 224, 384])
def test_the_part_seen_is_the_processors(size: tuple[int, int], input_size: int):
    """A ramp tells where each side of what comes out of the processor lay in the picture."""
    width, height = size
    left, top, right, bottom = visible_box(size, input_size)
    for axis, length, start, end in ((1, width, left, right), (0, height, top, bottom)):
        ramp = np.linspace(20, 230, length)
        picture = np.broadcast_to(ramp if axis else ramp[:, None], (height, width)).astype(np.uint8)
        shades = to_pixel_values([picture], make_processor(input_size))[0, 0].numpy().mean(axis=1 - axis)
        shades = (shades * 0.229 + 0.485) * 255
        inner = shades[len(shades) // 4], shades[3 * len(shades) // 4]
        expected = [
            np.interp(start + (at + 0.5) / len(shades) * (end - start) - 0.5, np.arange(length), ramp)
            for at in (len(shades) // 4, 3 * len(shades) // 4)
        ]
        assert inner == pytest.approx(expected, abs=1.5)


def test_laid_over_the_picture_the_map_stays_where_it_was():
    found = np.zeros((4, 4), np.float32)
    found[3, 0] = 1
    laid = resample_to_image(found, (600, 400), 128)
    left, top, right, bottom = visible_box((600, 400), 128)
    row, column = np.unravel_index(np.nanargmax(laid), laid.shape)
    assert laid.shape == (400, 600)
    assert left <= column + 0.5 <= left + (right - left) / 4
    assert bottom - (bottom - top) / 4 <= row + 0.5 <= bottom
    assert np.isnan(laid[:, : int(left)]).all()
    assert np.isnan(laid[int(bottom) + 1 :]).all()
    assert np.isfinite(laid[200, int(left) + 1 : int(right) - 1]).all()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ((0, 0), "right upper zone"),
        ((6, 6), "left lower zone"),
        ((3, 3), "central middle zone"),
        ((3, 1), "right middle zone"),
        ((6, 3), "central lower zone"),
    ],
)
def test_the_patients_right_is_the_viewers_left(cell: tuple[int, int], said: str):
    found = np.zeros((7, 7), np.float32)
    found[cell] = 1
    assert describe_location(found) == said
    assert peak(found) == pytest.approx(((cell[1] + 0.5) / 7, (cell[0] + 0.5) / 7))


def test_two_places_as_strong_are_both_named_and_none_is_said():
    both = np.zeros((7, 7), np.float32)
    both[6, 0], both[6, 6] = 1.0, 0.9
    assert describe_location(both) == "right lower zone and left lower zone"
    assert describe_location(-both - 1) == "nowhere in particular"
