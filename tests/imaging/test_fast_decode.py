"""What the quick decoders give is what Pillow gives, bit for bit; what they may get wrong they leave to Pillow."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from support import encode

from cxr.errors import UnreadableImage
from cxr.imaging import decoders
from cxr.imaging.reader import read_radiograph

RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[0 : 1 : 77 * 1j, 0 : 1 : 101 * 1j]
GRAY = np.rint(255 * (0.5 + 0.4 * np.sin(9 * ROWS + 4 * COLUMNS)) + RNG.integers(-20, 20, ROWS.shape)).clip(0, 255)
COLOUR = np.dstack([GRAY, GRAY[::-1], GRAY[:, ::-1]]).astype(np.uint8)
OPAQUE = np.full(GRAY.shape, 255, np.uint8)
GRAY = GRAY.astype(np.uint8)


def opened(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw))


def with_chunk(png: bytes, name: bytes, data: bytes, before: bytes) -> bytes:
    """A PNG with one more chunk in front of the first that is called `before`."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    place = png.index(before) - 4
    return png[:place] + chunk + png[place:]


QUICK = {
    "gray PNG": encode(GRAY, "PNG"),
    "colour PNG": encode(COLOUR, "PNG"),
    "PNG with alpha": encode(np.dstack([COLOUR, GRAY]), "PNG"),
    "PNG that asks for another gamma": with_chunk(encode(GRAY, "PNG"), b"gAMA", struct.pack(">I", 100_000), b"IDAT"),
    "gray JPEG": encode(GRAY, "JPEG", quality=80),
    "colour JPEG": encode(COLOUR, "JPEG", quality=80),
    "finely sampled JPEG": encode(COLOUR, "JPEG", quality=90, subsampling=0),
    "JPEG of red, green and blue": encode(COLOUR, "JPEG", keep_rgb=True),
    "progressive JPEG": encode(COLOUR, "JPEG", progressive=True),
    "lossy WEBP": encode(COLOUR, "WEBP", quality=80),
    "lossless WEBP": encode(COLOUR, "WEBP", lossless=True),
    "WEBP with alpha": encode(np.dstack([COLOUR, GRAY]), "WEBP", lossless=True, exact=True),
}


@pytest.mark.parametrize("name", QUICK)
def test_pixels_are_pillows(name):
    raw = QUICK[name]
    found = decoders.fast_decode(opened(raw), raw)
    assert found is not None
    assert np.array_equal(found, np.asarray(opened(raw)))


@pytest.mark.parametrize("pixels", [GRAY, COLOUR, np.dstack([COLOUR, OPAQUE]), np.dstack([GRAY, GRAY, GRAY, OPAQUE])])
def test_the_reader_gives_pillows_luma(pixels):
    raw = encode(pixels, "PNG")
    assert np.array_equal(read_radiograph(raw).pixels, np.asarray(opened(raw).convert("L")))


def test_luma_is_one_level_off_at_most_where_haste_is_asked_for():
    raw = encode(COLOUR, "PNG")
    apart = read_radiograph(raw, min_short_side=1).pixels.astype(int) - read_radiograph(raw).pixels
    assert np.abs(apart).max() <= 1
    assert np.mean(apart != 0) < 0.01


@pytest.mark.parametrize("min_short_side", [None, 1])
def test_gray_stored_as_colour_stays_that_gray(min_short_side):
    for pixels in (np.dstack([GRAY] * 3), np.dstack([GRAY, GRAY, GRAY, OPAQUE])):
        assert np.array_equal(read_radiograph(encode(pixels, "PNG"), min_short_side=min_short_side).pixels, GRAY)


def test_transparency_lies_over_black_in_haste_too():
    pixels = np.dstack([GRAY, GRAY, GRAY, np.where(ROWS < 0.5, 255, 0).astype(np.uint8)])
    assert np.array_equal(
        read_radiograph(encode(pixels, "PNG"), min_short_side=1).pixels, np.where(ROWS < 0.5, GRAY, 0)
    )


def test_a_png_turned_by_what_stands_behind_its_pixels_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = with_chunk(encode(GRAY, "PNG"), b"eXIf", exif.tobytes()[6:], b"IEND")
    assert np.array_equal(read_radiograph(raw).pixels, np.rot90(GRAY, -1))


@pytest.mark.parametrize("kept", [-1, -2, -3])
def test_a_jpeg_without_its_end_is_refused(kept):
    with pytest.raises(UnreadableImage, match="damaged or cut off"):
        read_radiograph(QUICK["colour JPEG"][:kept])


def test_what_follows_a_jpeg_is_passed_over():
    raw = QUICK["gray JPEG"]
    assert np.array_equal(read_radiograph(raw + b"\0" * 30).pixels, read_radiograph(raw).pixels)


def test_a_palette_stays_with_pillow():
    raw = encode(Image.fromarray(GRAY).quantize(16), "PNG")
    assert decoders.fast_decode(opened(raw), raw) is None
