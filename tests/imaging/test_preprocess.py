"""The input of the network: what the processor makes of a radiograph, done before or faster."""

import numpy as np
import pytest
import torch
from support import encode

from cxr.imaging.geometry import resized_size
from cxr.imaging.preprocess import FastPixelValues, make_processor, to_pixel_values
from cxr.imaging.reader import read_radiograph


def smooth(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.rint(255 * (0.5 + 0.3 * np.sin(5 * rows + 2 * columns) + 0.2 * np.cos(9 * columns))).astype(np.uint8)


@pytest.mark.parametrize("size", [(300, 300), (311, 457), (457, 311), (1000, 333), (90, 70), (146, 200)])
@pytest.mark.parametrize("input_size", [128, 160, 224])
def test_the_resize_is_the_processors_own(size, input_size):
    processor = make_processor(input_size)
    gray = np.random.default_rng(2).integers(0, 256, size, dtype=np.uint8)
    short = int(input_size / 0.875)
    radiograph = read_radiograph(encode(gray), short_side=short)
    assert radiograph.pixels.shape[::-1] == resized_size((size[1], size[0]), short)
    assert (radiograph.height, radiograph.width) == size
    full, small = (np.repeat(pixels[..., None], 3, axis=2) for pixels in (gray, radiograph.pixels))
    expected, got = (processor(images=[image], input_data_format="channels_last") for image in (full, small))
    assert np.array_equal(expected["pixel_values"][0], got["pixel_values"][0])


@pytest.mark.parametrize("size", [(300, 420), (128, 128), (1000, 700), (37, 90)])
@pytest.mark.parametrize("input_size", [64, 112])
def test_fast_pixel_values_are_nearly_those_of_the_processor(size, input_size):
    processor = make_processor(input_size)
    quick, exact = FastPixelValues(processor)(smooth(*size)), to_pixel_values([smooth(*size)], processor)
    assert quick.shape == exact.shape == (1, 3, input_size, input_size)
    assert (quick - exact).abs().max() < 0.04  # two gray levels


def test_fast_pixel_values_are_the_same_where_nothing_is_resized():
    processor = make_processor(112)
    assert torch.equal(FastPixelValues(processor)(smooth(128, 160)), to_pixel_values([smooth(128, 160)], processor))


def test_real_files_in_odd_formats(shared_data):
    processor = make_processor(224)
    modes = set()
    for path in sorted((shared_data / "native").rglob("*.*"))[::4]:
        full, small = read_radiograph(path), read_radiograph(path, short_side=256)
        modes.add((full.format, full.mode))
        both = (np.repeat(radiograph.pixels[..., None], 3, axis=2) for radiograph in (full, small))
        expected, got = (processor(images=[image], input_data_format="channels_last") for image in both)
        assert np.array_equal(expected["pixel_values"][0], got["pixel_values"][0])
        assert np.ptp(small.pixels) > 100
    assert len(modes) > 3
