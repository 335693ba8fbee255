"""Superfluous metadata never decides over pixels; what takes minutes, or is not a single image, is refused."""

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from support import encode

from cxr.errors import UnreadableImage
from cxr.imaging.limits import MAX_SCANS, TOO_MANY_SCANS, count_scans
from cxr.imaging.reader import read_radiograph

RNG = np.random.default_rng(0)
GRAY = cv2.GaussianBlur(RNG.integers(0, 256, (90, 64), dtype=np.uint8), (0, 0), 3)
MEGABYTES = bytes(5_000_000)


def chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    check = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def with_chunk(png: bytes, extra: bytes, before: bytes) -> bytes:
    place = png.index(before) - 4
    return png[:place] + extra + png[place:]


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/>' + MEGABYTES
HUGE = {
    "profile": chunk(b"iCCP", b"icc\0\0" + zlib.compress(MEGABYTES)),
    "compressed text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MEGABYTES)),
    "text": chunk(b"tEXt", b"Comment\0" + b"x" * 5_000_000),
    "international text": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(MEGABYTES)),
    "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(MEGABYTES)),
    "broken profile": chunk(b"iCCP", b"icc\0\0" + b"no zlib stream"),
    "text with a wrong checksum": chunk(b"tEXt", b"Comment\0hello", crc=1),
    "text without a keyword": chunk(b"iTXt", b"\xff\xfe"),
    "broken EXIF": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\xff\1\x12"),
    "dots of no number": chunk(b"pHYs", b"\0"),
}


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("deep", [False, True])
def test_a_png_is_its_pixels(name, before, deep):
    plain = encode(GRAY.astype(np.uint16) * 231 + 5 if deep else GRAY)
    raw = with_chunk(plain, HUGE[name], before)
    assert np.array_equal(read_radiograph(raw).pixels, read_radiograph(plain).pixels)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_the_orientation_in_megabytes_of_text_is_applied(before, packed):
    text = b"XML:com.adobe.xmp\0" + bytes([packed]) + b"\0\0\0" + (zlib.compress(XMP) if packed else XMP)
    raw = with_chunk(encode(GRAY), chunk(b"iTXt", text), before)
    assert np.array_equal(read_radiograph(raw).pixels, np.rot90(GRAY, -1))


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_pixels_that_are_cut_off_are_refused_for_all_that(kept):
    raw = with_chunk(encode(RNG.integers(0, 256, (90, 64), dtype=np.uint8)), HUGE["profile"], b"IDAT")
    with pytest.raises(UnreadableImage, match="damaged"):
        read_radiograph(raw[: int(len(raw) * kept)])


def exif(entries: list[tuple[int, int, int, bytes]], order: str = "<") -> bytes:
    """EXIF of entries of tag, type, count and four bytes of value or offset."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    listed = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0" + start + struct.pack(f"{order}IH", 8, len(entries)) + listed + bytes(4)


TURNED = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
BROKEN = {
    "a rational at the place of its value": (0x011A, 10, 1, struct.pack("<I", 2)),
    "a rational with a zero denominator": (0x011A, 5, 1, struct.pack("<I", 8)),
    "a value far behind the end": (0x010F, 2, 5000, struct.pack("<I", 1_000_000)),
    "an unknown type": (0x010E, 77, 1, bytes(4)),
    "a huge count": (0x010E, 2, 0xFFFFFFFF, struct.pack("<I", 8)),
    "a folder that points to itself": (0x8769, 4, 1, struct.pack("<I", 8)),
    "GPS of no place": (0x8825, 4, 1, struct.pack("<I", 9999)),
}


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_valid_orientation_beside_broken_exif_is_applied(name, kind):
    block = exif(sorted([TURNED, BROKEN[name]]))
    raw = encode(GRAY, kind, exif=block, **({"lossless": True} if kind == "WEBP" else {}))
    radiograph = read_radiograph(raw)
    assert (radiograph.width, radiograph.height) == (90, 64)
    plain = encode(GRAY, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.array_equal(radiograph.pixels, np.rot90(read_radiograph(plain).pixels, -1))


@pytest.mark.parametrize("block", [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"no exif"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_exif_that_says_nothing_turns_nothing(block, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    radiograph = read_radiograph(encode(GRAY, kind, exif=block, **options))
    assert np.array_equal(radiograph.pixels, read_radiograph(encode(GRAY, kind, **options)).pixels)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(value):
    block = exif([(0x0112, 3, 1, struct.pack("<HH", value, 0))])
    assert read_radiograph(encode(GRAY, "JPEG", exif=block)).pixels.shape == GRAY.shape


def pages(*images: np.ndarray, **kinds: int) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for number, image in enumerate(images):
            writer.write(image, photometric="minisblack", subfiletype=kinds.get(f"page{number}", 0), metadata=None)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("thumbnail", "kinds"),
    [(GRAY[::2, ::2], {}), (GRAY[::4, ::4], {"page1": 1}), (GRAY[::3, ::3], {"page1": 0})],
)
def test_a_second_page_that_is_a_thumbnail_is_passed_over(thumbnail, kinds, dtype):
    scale = 1 if dtype is np.uint8 else 231
    first, second = GRAY.astype(dtype) * scale, thumbnail.astype(dtype)
    assert np.array_equal(read_radiograph(pages(first, second, **kinds)).pixels, read_radiograph(pages(first)).pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("second", [GRAY, GRAY[:60, :50]])
def test_a_second_page_of_its_own_is_refused(second, dtype):
    with pytest.raises(UnreadableImage, match="several pages"):
        read_radiograph(pages(GRAY.astype(dtype), second.astype(dtype)))


def test_a_thumbnail_before_its_image_is_refused():
    with pytest.raises(UnreadableImage, match="several pages"):
        read_radiograph(pages(GRAY[::4, ::4], GRAY, page0=1))


def test_many_pages_are_refused_without_counting_them():
    raw = pages(*[GRAY[:8, :8]] * 3000)
    start = time.perf_counter()
    with pytest.raises(UnreadableImage, match="several pages"):
        read_radiograph(raw)
    assert time.perf_counter() - start < 0.5


def scans(jpeg: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan stands in it so often."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded():
    raw = scans(encode(GRAY, "JPEG", progressive=True), 20_000)
    start = time.perf_counter()
    with pytest.raises(UnreadableImage, match=TOO_MANY_SCANS):
        read_radiograph(raw)
    assert time.perf_counter() - start < 1


def test_a_png_of_very_many_chunks_is_refused_at_once():
    raw = encode(GRAY)
    at = raw.index(b"IDAT") - 4
    empty = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    start = time.monotonic()
    with pytest.raises(UnreadableImage, match="more chunks than any encoder writes"):
        read_radiograph(raw[:at] + 400_000 * empty + raw[at:])
    assert time.monotonic() - start < 3
    assert np.array_equal(read_radiograph(raw[:at] + 10_000 * empty + raw[at:]).pixels, read_radiograph(raw).pixels)


def test_scans_are_counted_in_the_image_alone():
    raw = encode(GRAY, "JPEG", progressive=True)
    usual = count_scans(raw)
    assert 2 < usual < 20
    comment = b"\xff\xfe" + struct.pack(">H", 602) + b"\xff\xda" * 300
    padded = raw[:2] + comment + raw[2:] + b"\xff\xda" * 1000
    assert padded.count(b"\xff\xda") > MAX_SCANS
    assert count_scans(padded) == usual
    assert np.array_equal(read_radiograph(padded).pixels, read_radiograph(raw).pixels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_whole_range_of_real_numbers_is_an_image(dtype):
    most = np.finfo(dtype).max * 0.99
    values = (np.linspace(-1, 1, 4096) * float(most)).astype(dtype).reshape(64, 64)
    pixels = read_radiograph(pages(values)).pixels
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert 100 < pixels.mean() < 155
    assert np.all(np.diff(pixels.reshape(-1).astype(int)) >= 0)
