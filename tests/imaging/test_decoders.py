"""Decoders: the fast ones agree with Pillow bit for bit and leave doubtful files to it; deep TIFF and PNG."""

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from deep_files import RAMP, SHAPE, png, stretched, tiff
from PIL import Image
from support import encode

from cxr.errors import UnreadableImage
from cxr.imaging import decoders
from cxr.imaging.formats import gif
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
    """A PNG with one more chunk before the first one called `before`."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    place = png.index(before) - 4
    return png[:place] + chunk + png[place:]


FAST = {
    "gray PNG": encode(GRAY, "PNG"),
    "colour PNG": encode(COLOUR, "PNG"),
    "PNG with alpha": encode(np.dstack([COLOUR, GRAY]), "PNG"),
    "PNG with another gamma": with_chunk(encode(GRAY, "PNG"), b"gAMA", struct.pack(">I", 100_000), b"IDAT"),
    "gray JPEG": encode(GRAY, "JPEG", quality=80),
    "colour JPEG": encode(COLOUR, "JPEG", quality=80),
    "finely sampled JPEG": encode(COLOUR, "JPEG", quality=90, subsampling=0),
    "JPEG of red, green and blue": encode(COLOUR, "JPEG", keep_rgb=True),
    "progressive JPEG": encode(COLOUR, "JPEG", progressive=True),
    "lossy WEBP": encode(COLOUR, "WEBP", quality=80),
    "lossless WEBP": encode(COLOUR, "WEBP", lossless=True),
    "WEBP with alpha": encode(np.dstack([COLOUR, GRAY]), "WEBP", lossless=True, exact=True),
}


@pytest.mark.parametrize("name", FAST)
def test_pixels_are_pillows(name):
    raw = FAST[name]
    pixels = decoders.fast_decode(opened(raw), raw)
    assert pixels is not None
    assert np.array_equal(pixels, np.asarray(opened(raw)))


@pytest.mark.parametrize("pixels", [GRAY, COLOUR, np.dstack([COLOUR, OPAQUE]), np.dstack([GRAY, GRAY, GRAY, OPAQUE])])
def test_the_reader_gives_pillows_luma(pixels):
    raw = encode(pixels, "PNG")
    assert np.array_equal(read_radiograph(raw).pixels, np.asarray(opened(raw).convert("L")))


def test_luma_is_one_level_off_at_most_where_speed_is_requested():
    raw = encode(COLOUR, "PNG")
    apart = read_radiograph(raw, min_short_side=1).pixels.astype(int) - read_radiograph(raw).pixels
    assert np.abs(apart).max() <= 1
    assert np.mean(apart != 0) < 0.01


@pytest.mark.parametrize("min_short_side", [None, 1])
def test_gray_stored_as_colour_stays_that_gray(min_short_side):
    for pixels in (np.dstack([GRAY] * 3), np.dstack([GRAY, GRAY, GRAY, OPAQUE])):
        assert np.array_equal(read_radiograph(encode(pixels, "PNG"), min_short_side=min_short_side).pixels, GRAY)


def test_transparency_is_laid_over_black_in_fast_decoding_too():
    pixels = np.dstack([GRAY, GRAY, GRAY, np.where(ROWS < 0.5, 255, 0).astype(np.uint8)])
    assert np.array_equal(
        read_radiograph(encode(pixels, "PNG"), min_short_side=1).pixels, np.where(ROWS < 0.5, GRAY, 0)
    )


def test_a_png_is_rotated_by_metadata_after_its_pixels():
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = with_chunk(encode(GRAY, "PNG"), b"eXIf", exif.tobytes()[6:], b"IEND")
    assert np.array_equal(read_radiograph(raw).pixels, np.rot90(GRAY, -1))


@pytest.mark.parametrize("kept", [-1, -2, -3])
def test_a_jpeg_without_its_end_is_refused(kept):
    with pytest.raises(UnreadableImage, match="damaged or cut off"):
        read_radiograph(FAST["colour JPEG"][:kept])


def test_bytes_after_a_jpeg_are_ignored():
    raw = FAST["gray JPEG"]
    assert np.array_equal(read_radiograph(raw + b"\0" * 30).pixels, read_radiograph(raw).pixels)


def test_a_palette_is_left_to_pillow():
    raw = encode(Image.fromarray(GRAY).quantize(16), "PNG")
    assert decoders.fast_decode(opened(raw), raw) is None


def test_twelve_bits_packed_into_a_tiff():
    even, odd = RAMP.ravel()[::2], RAMP.ravel()[1::2]
    body = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], axis=1).astype(np.uint8).tobytes()
    tags = {256: SHAPE[1], 257: SHAPE[0], 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: SHAPE[0], 279: len(body)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(body))
    radiograph = read_radiograph(head + body + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert radiograph.mode == "I;12"
    assert np.abs(radiograph.pixels - stretched(RAMP)).max() <= 1


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
def test_min_is_white_is_inverted(byteorder, dtype):
    values = (RAMP * 20 - 30_000 * (dtype != "u2")).astype(dtype)
    pixels = read_radiograph(tiff(values, photometric="miniswhite", byteorder=byteorder)).pixels
    assert np.abs(pixels - (255 - stretched(RAMP))).max() <= 1


def test_min_is_white_of_signed_bytes_is_inverted():
    pixels = read_radiograph(tiff((100 - RAMP // 15).astype(np.int8), photometric="miniswhite")).pixels
    assert np.abs(pixels - stretched(RAMP)).max() <= 2


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


def test_transparency_of_a_deep_gray_tiff_is_laid_over_black():
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


def test_deep_gray_with_alpha():
    values, opaque = (RAMP * 20).astype(np.uint16), np.full(SHAPE, 65535, np.uint16)
    opaque[:20] = 0
    radiograph = read_radiograph(png(np.dstack([values, values, values, opaque])))
    assert radiograph.mode == "RGBA;16"
    assert radiograph.pixels[:20].max() == 0
    assert radiograph.pixels[-1].min() > 200
    image = Image.open(io.BytesIO(png(np.dstack([values, values, values, opaque]))))
    assert image.mode == "RGBA"


@pytest.mark.parametrize("width", [5, 8, 33])
def test_a_bmp_may_run_from_top_to_bottom_and_misstate_its_size(width: int):
    pixels = np.random.default_rng(width).integers(0, 256, (21, width), dtype=np.uint8)
    raw = encode(pixels, "BMP")
    downwards = raw[:22] + struct.pack("<i", -21) + raw[26:]
    for written in (raw, downwards, raw[:2] + struct.pack("<I", 7) + raw[6:]):
        with Image.open(io.BytesIO(written)) as image:
            assert np.array_equal(decoders.decode(written).pixels, np.asarray(image))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("colours", [256, 100, 3])
def test_a_palette_of_colours_becomes_the_luma_that_pillow_computes(kind: str, colours: int):
    rng = np.random.default_rng(colours)
    image = Image.frombytes("P", (40, 30), rng.integers(0, colours, 1200, dtype=np.uint8).tobytes())
    image.putpalette(rng.integers(0, 256, 3 * colours, dtype=np.uint8).tobytes())
    raw = encode(image, kind)
    assert np.array_equal(decoders.decode(raw).pixels, np.asarray(opened(raw).convert("RGB").convert("L")))


def test_frames_of_a_gif_are_found_as_pillow_finds_them():
    frames = [Image.fromarray(RNG.integers(0, 256, (40, 50), dtype=np.uint8)) for _ in range(3)]
    for count in (1, 2, 3):
        raw = encode(frames[0], "GIF", save_all=True, append_images=frames[1:count], comment=b"x" * 700)
        for written in (raw, raw + b"behind"):
            assert len(gif.first_frames(written, 9)) == getattr(opened(written), "n_frames", 1) == count


def test_a_damaged_bmp_is_refused_or_read_as_pillow_reads_it():
    raw = encode(GRAY, "BMP")
    rng = np.random.default_rng(0)
    for _ in range(400):
        damaged = bytearray(raw)
        for at in rng.integers(0, 54, 2):
            damaged[at] = rng.integers(0, 256)
        written = bytes(damaged[: rng.choice((len(raw), rng.integers(54, len(raw))))])
        with contextlib.suppress(UnreadableImage):
            pixels = decoders.decode(written).pixels
            assert np.array_equal(pixels, np.asarray(opened(written).convert("L")))
