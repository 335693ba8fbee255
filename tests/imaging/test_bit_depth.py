"""Pictures deeper than 8 bits are windowed, never cut to their high byte and never clipped to white."""

import contextlib
import io
import struct
import tracemalloc
import zlib

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


def test_min_is_white_of_signed_bytes_is_turned_round():
    pixels = read_radiograph(tiff((100 - RAMP // 15).astype(np.int8), photometric="miniswhite")).pixels
    assert np.abs(pixels - stretched(RAMP)).max() <= 2


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


PLANES = np.stack([(RAMP * 20).astype(np.uint16)] * 3)
RARE = {
    "colours in planes": tiff(PLANES, photometric="rgb", planarconfig="separate"),
    "half floats": tiff((RAMP / 3000).astype(np.float16)),
    "gray with alpha": tiff(
        np.dstack([PLANES[0], np.full(SHAPE, 65535, np.uint16)]), extrasamples=["unassalpha"], planarconfig="contig"
    ),
}


@pytest.mark.parametrize("name", RARE)
def test_rare_kinds_of_tiff_are_read_at_their_full_depth(name):
    assert np.abs(read_radiograph(RARE[name]).pixels - stretched(RAMP)).max() <= 1


def test_transparency_of_a_deep_gray_tiff_lies_over_black():
    opacity = np.full(SHAPE, 65535, np.uint16)
    opacity[:20] = 0
    raw = tiff(np.dstack([PLANES[0], opacity]), extrasamples=["unassalpha"], planarconfig="contig")
    radiograph = read_radiograph(raw)
    assert radiograph.mode == "IA;16"
    assert radiograph.pixels[:20].max() == 0
    assert radiograph.pixels[-1].min() > 200


@pytest.mark.parametrize("values", [np.dstack([PLANES[0]] * 5), RAMP.astype(np.complex64)], ids=["bands", "complex"])
def test_what_cannot_be_read_at_full_depth_is_refused(values):
    with pytest.raises(UnreadableImage, match="full depth"):
        read_radiograph(tiff(values, planarconfig="contig"))


def tag_entries(raw: bytes) -> dict[int, tuple[int, int, int, int]]:
    """Of a little-endian TIFF's first page: tag → where its entry lies, the field's type, count and value."""
    start = struct.unpack_from("<I", raw, 4)[0]
    entries = {}
    for number in range(struct.unpack_from("<H", raw, start)[0]):
        at = start + 2 + 12 * number
        tag, kind, count, value = struct.unpack_from("<HHII", raw, at)
        entries[tag] = at, kind, count, value
    return entries


STRIP_OFFSETS, STRIP_LENGTHS = 273, 279


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tag", [STRIP_OFFSETS, STRIP_LENGTHS])
@pytest.mark.parametrize("harm", ["listed but not written", "not listed"])
def test_a_missing_strip_is_not_shown_black(compression, tag, harm):
    raw = bytearray(tiff(PLANES[0], rowsperstrip=7, compression=compression))
    at, kind, count, value = tag_entries(raw)[tag]
    if harm == "not listed":
        struct.pack_into("<I", raw, at + 4, count - 1)
    else:
        size = {3: 2, 4: 4}[kind]
        raw[value + size * (count - 1) : value + size * count] = bytes(size)
    with pytest.raises(UnreadableImage, match="damaged"):
        read_radiograph(bytes(raw))


def test_a_circular_chain_of_pages_is_refused():
    raw = bytearray(tiff(PLANES[0]))
    pages = struct.unpack_from("<I", raw, 4)[0]
    end = pages + 2 + 12 * struct.unpack_from("<H", raw, pages)[0]
    raw[end : end + 4] = struct.pack("<I", pages)
    with pytest.raises(UnreadableImage, match="several pages"):
        read_radiograph(bytes(raw))


def test_a_strip_that_expands_beyond_its_image_takes_no_memory():
    strip = zlib.compress(bytes(200_000_000), 9)
    tags = {256: SHAPE[1], 257: SHAPE[0], 258: 16, 259: 8, 262: 1, 273: 8, 277: 1, 278: SHAPE[0], 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    raw = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)
    tracemalloc.start()
    with contextlib.suppress(UnreadableImage):
        read_radiograph(raw)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
