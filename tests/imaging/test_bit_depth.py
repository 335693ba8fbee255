"""More than 8 bits become 8 by windowing: never cut to their high byte, never clipped to white."""

import numpy as np
import pytest
from deep_files import RAMP, SHAPE, png, stretched, tiff

from cxr.imaging.reader import read_radiograph

DEEP = {
    "gray 16-bit PNG": png((RAMP * 20).astype(np.uint16)),
    "16-bit TIFF": tiff((RAMP * 20).astype(np.uint16)),
    "big-endian 16-bit TIFF": tiff((RAMP * 20).astype(np.uint16), byteorder=">"),
    "signed 16-bit TIFF": tiff((RAMP * 10 - 9000).astype(np.int16)),
    "32-bit TIFF": tiff((RAMP * 1_000_000 + 7).astype(np.uint32)),
    "signed 32-bit TIFF": tiff((RAMP * 100 - 70_000).astype(np.int32)),
    "float TIFF": tiff((RAMP / 3000).astype(np.float32)),
    "double TIFF": tiff(RAMP / 3000 - 5),
    "compressed TIFF": tiff((RAMP * 20).astype(np.uint16), compression="zlib"),
    "tiled TIFF": tiff((RAMP * 20).astype(np.uint16), tile=(16, 16)),
    "BigTIFF": tiff((RAMP * 20).astype(np.uint16), bigtiff=True),
    "16-bit colour PNG": png(np.dstack([(RAMP * 20).astype(np.uint16)] * 3)),
    "16-bit PNG with alpha": png(np.dstack([(RAMP * 20).astype(np.uint16)] * 3 + [np.full(SHAPE, 65535, np.uint16)])),
    "16-bit colour TIFF": tiff(np.dstack([(RAMP * 20).astype(np.uint16)] * 3), photometric="rgb"),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_images_use_the_whole_range(name):
    pixels = read_radiograph(DEEP[name]).pixels
    assert np.abs(pixels - stretched(RAMP)).max() <= 1


@pytest.mark.parametrize("top", [1023, 4095, 65535])
def test_the_bit_depth_of_the_container_does_not_matter(top):
    values = np.rint(RAMP / RAMP.max() * top).astype(np.uint16)
    pixels = read_radiograph(png(values)).pixels.astype(int)
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert (pixels == 255).mean() < 0.02
    assert (np.diff(pixels.ravel()) >= 0).all()


def test_hot_pixels_do_not_darken_the_rest():
    values = (RAMP % 3000).astype(np.uint16)
    values[0, :5] = 65535
    assert read_radiograph(png(values)).pixels.mean() > 100


@pytest.mark.parametrize("factor", [1, 256, 257])
def test_eight_bits_in_sixteen_come_back_as_they_were(factor):
    gray = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    colour = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    assert np.array_equal(read_radiograph(png(gray.astype(np.uint16) * factor)).pixels, gray)
    assert np.array_equal(read_radiograph(tiff(gray.astype(np.uint16) * factor)).pixels, gray)
    assert np.array_equal(
        read_radiograph(png(colour.astype(np.uint16) * factor)).pixels, read_radiograph(png(colour)).pixels
    )


@pytest.mark.parametrize("value", [0, 200, 3000, 65535])
def test_a_constant_image_stays_constant(value):
    assert np.ptp(read_radiograph(png(np.full(SHAPE, value, np.uint16))).pixels) == 0
    assert np.ptp(read_radiograph(tiff(np.full(SHAPE, value / 7, np.float32))).pixels) == 0


def test_nearly_constant_images_keep_their_difference():
    values = np.full((200, 200), 5000, np.uint16)
    values[0, 0] = 6000
    pixels = read_radiograph(png(values)).pixels
    assert pixels[0, 0] > pixels[1, 1]


def test_undefined_values_are_black_and_harmless():
    values = (RAMP / 3000).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    pixels = read_radiograph(tiff(values)).pixels
    assert pixels[0].tolist()[:3] == [0, 255, 0]
    assert np.abs(pixels[1:] - stretched(RAMP)[1:]).max() <= 2
    assert np.ptp(read_radiograph(tiff(np.full(SHAPE, np.nan, np.float32))).pixels) == 0


def test_the_mode_says_what_is_stored():
    gray, colour = RAMP.astype(np.uint16), np.dstack([RAMP.astype(np.uint16)] * 3)
    assert [read_radiograph(raw).mode for raw in (png(gray), tiff(gray), tiff(RAMP.astype(np.int16)))] == [
        "I;16",
        "I;16",
        "I;16S",
    ]
    assert [read_radiograph(raw).mode for raw in (png(colour), tiff(colour, photometric="rgb"))] == ["RGB;16", "RGB;16"]
    assert read_radiograph(tiff(RAMP.astype(np.float32))).mode == "F;32"
