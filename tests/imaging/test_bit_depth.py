"""Pictures deeper than 8 bits are windowed, never cut to their high byte and never clipped to white."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from cxr.errors import UnreadableImage
from cxr.imaging.reader import read_radiograph

SHAPE = 60, 50
RAMP = np.arange(np.prod(SHAPE)).reshape(SHAPE)


def png(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def tiff(values: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **({"photometric": "minisblack"} | options))
    return stream.getvalue()


def stretched(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (0.5, 99.5))
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)


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
def test_deep_pictures_use_the_whole_range(name):
    found = read_radiograph(DEEP[name]).pixels
    assert np.abs(found - stretched(RAMP)).max() <= 1


def test_twelve_bits_packed_into_a_tiff():
    even, odd = RAMP.ravel()[::2], RAMP.ravel()[1::2]
    body = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], axis=1).astype(np.uint8).tobytes()
    tags = {256: SHAPE[1], 257: SHAPE[0], 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: SHAPE[0], 279: len(body)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(body))
    found = read_radiograph(head + body + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert found.mode == "I;12"
    assert np.abs(found.pixels - stretched(RAMP)).max() <= 1


@pytest.mark.parametrize("top", [1023, 4095, 65535])
def test_what_depth_the_container_has_does_not_matter(top):
    values = np.rint(RAMP / RAMP.max() * top).astype(np.uint16)
    found = read_radiograph(png(values)).pixels.astype(int)
    assert found.min() == 0
    assert found.max() == 255
    assert (found == 255).mean() < 0.02
    assert (np.diff(found.ravel()) >= 0).all()


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
def test_a_constant_picture_stays_constant(value):
    assert np.ptp(read_radiograph(png(np.full(SHAPE, value, np.uint16))).pixels) == 0
    assert np.ptp(read_radiograph(tiff(np.full(SHAPE, value / 7, np.float32))).pixels) == 0


def test_nearly_constant_pictures_keep_their_difference():
    values = np.full((200, 200), 5000, np.uint16)
    values[0, 0] = 6000
    found = read_radiograph(png(values)).pixels
    assert found[0, 0] > found[1, 1]


def test_undefined_values_are_black_and_harmless():
    values = (RAMP / 3000).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    found = read_radiograph(tiff(values)).pixels
    assert found[0].tolist()[:3] == [0, 255, 0]
    assert np.abs(found[1:] - stretched(RAMP)[1:]).max() <= 2
    assert np.ptp(read_radiograph(tiff(np.full(SHAPE, np.nan, np.float32))).pixels) == 0


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_min_is_white_is_turned_round(byteorder, dtype):
    values = (RAMP * 20 - 30_000 * (dtype != "u2")).astype(dtype)
    found = read_radiograph(tiff(values, photometric="miniswhite", byteorder=byteorder)).pixels
    assert np.abs(found - (255 - stretched(RAMP))).max() <= 1


def test_the_mode_says_what_is_stored():
    gray, colour = RAMP.astype(np.uint16), np.dstack([RAMP.astype(np.uint16)] * 3)
    assert [read_radiograph(raw).mode for raw in (png(gray), tiff(gray), tiff(RAMP.astype(np.int16)))] == [
        "I;16",
        "I;16",
        "I;16S",
    ]
    assert [read_radiograph(raw).mode for raw in (png(colour), tiff(colour, photometric="rgb"))] == ["RGB;16", "RGB;16"]
    assert read_radiograph(tiff(RAMP.astype(np.float32))).mode == "F;32"


def test_deep_gray_with_alpha():
    values, opaque = (RAMP * 20).astype(np.uint16), np.full(SHAPE, 65535, np.uint16)
    opaque[:20] = 0
    found = read_radiograph(png(np.dstack([values, values, values, opaque])))
    assert found.mode == "RGBA;16"
    assert found.pixels[:20].max() == 0
    assert found.pixels[-1].min() > 200
    image = Image.open(io.BytesIO(png(np.dstack([values, values, values, opaque]))))
    assert image.mode == "RGBA"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_colour(orientation):
    shades = np.array([[1, 2, 3], [4, 5, 6]], np.uint16).repeat(20, 0).repeat(20, 1) * 1000
    turned = {
        1: shades,
        2: shades[:, ::-1],
        3: shades[::-1, ::-1],
        4: shades[::-1],
        5: shades.T,
        6: np.rot90(shades),
        7: shades[::-1, ::-1].T,
        8: np.rot90(shades, 3),
    }[orientation]
    expected = stretched(shades)
    for photometric, stored in (("rgb", np.dstack([turned] * 3)), ("minisblack", turned)):
        raw = tiff(np.ascontiguousarray(stored), photometric=photometric, extratags=[(274, "H", 1, orientation, True)])
        assert np.abs(read_radiograph(raw).pixels - expected).max() <= 1


def test_what_cannot_be_read_at_full_depth_is_refused():
    values = RAMP.astype(np.uint16) * 20
    planar = tiff(np.stack([values] * 3), photometric="rgb", planarconfig="separate")
    with_alpha = tiff(np.dstack([values] * 2), extrasamples=["unassalpha"], planarconfig="contig")
    for raw in (planar, with_alpha, tiff((RAMP / 3000).astype(np.float16))):
        with pytest.raises(UnreadableImage, match="full depth"):
            read_radiograph(raw)
