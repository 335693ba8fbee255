"""Files that give no radiograph are refused in one line with the reason, before they cost memory and without noise."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from support import encode

from cxr.errors import UnreadableImage, UserError
from cxr.imaging.limits import MAX_PIXELS
from cxr.imaging.reader import read_radiograph

NOISE = np.random.default_rng(0).integers(0, 256, (90, 80), dtype=np.uint8)


def deep(kind: str) -> bytes:
    values = NOISE.astype(np.uint16) * 231 + 5
    return encode(values, kind)


def huge_png(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


FRAMES = [Image.fromarray(NOISE), Image.fromarray(255 - NOISE)]
REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"hello, I am no image", "is not an image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is not an image"),
    "html": (b"<!DOCTYPE html><html></html>", "is not an image"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is not an image"),
    "zip": (b"PK\x03\x04" + bytes(100), "is not an image"),
    "zeros": (bytes(5000), "is not an image"),
    "dicom": (bytes(128) + b"DICM" + bytes(100), "DICOM"),
    "only a PNG signature": (b"\x89PNG\r\n\x1a\n", "is damaged or cut off"),
    "only a TIFF signature": (b"II*\0", "is damaged or cut off"),
    "100 megapixels and more": (huge_png(10_001, 10_000), "megapixels"),
    "a decompression bomb": (huge_png(60_000, 60_000), "megapixels"),
    "pages": (encode(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "several pages"),
    "animated gif": (encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "animated"),
    "animated webp": (encode(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "animated"),
    "100 megapixels of 16-bit RGB": (huge_png(9_000, 9_000, bits=16, colour=2), "200 MB once decoded"),
    "90 megapixels of RGBA": (huge_png(9_000, 10_000, colour=6), "200 MB once decoded"),
    "animated png": (encode(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "animated"),
}
CUT = {
    "png": encode(NOISE),
    "jpeg": encode(NOISE, "JPEG"),
    "webp": encode(NOISE, "WEBP"),
    "bmp": encode(NOISE, "BMP"),
    "gif": encode(NOISE, "GIF"),
    "tiff": encode(NOISE, "TIFF"),
    "deflated tiff": encode(NOISE, "TIFF", compression="tiff_deflate"),
    "deep png": deep("PNG"),
    "deep tiff": deep("TIFF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(name, tmp_path, capfd, recwarn):
    raw, reason = REFUSED[name]
    path = tmp_path / "image.png"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=reason) as caught:
        read_radiograph(path)
    assert isinstance(caught.value, UnreadableImage)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) not in caught.value.reason
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off_files_are_refused(name, share, capfd):
    raw = CUT[name]
    assert read_radiograph(raw).pixels.shape == NOISE.shape
    with pytest.raises(UnreadableImage, match="damaged or cut off"):
        read_radiograph(raw[: int(len(raw) * share)])
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_with_a_second_view_is_a_jpeg():
    radiograph = read_radiograph(encode(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:]))
    assert radiograph.format == "JPEG"
    assert np.array_equal(radiograph.pixels, read_radiograph(encode(NOISE, "JPEG")).pixels)


def test_a_still_gif_is_read():
    assert np.array_equal(read_radiograph(encode(NOISE, "GIF")).pixels, NOISE)


def test_the_size_is_checked_before_memory_is_allocated():
    with pytest.raises(UnreadableImage, match=f"{MAX_PIXELS // 1_000_000} megapixels"):
        read_radiograph(huge_png(1_000_000, 101))
    with pytest.raises(UnreadableImage, match="elongated"):
        read_radiograph(encode(np.zeros((1, 40_000), np.uint8)), short_side=256)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UnreadableImage, match=r"gone\.png does not exist"):
        read_radiograph(tmp_path / "gone.png")
    with pytest.raises(UnreadableImage, match="is a folder"):
        read_radiograph(tmp_path)


def test_random_damage_never_escapes_as_another_error():
    rng = np.random.default_rng(0)
    for raw in CUT.values():
        for _ in range(40):
            damaged = np.frombuffer(raw, np.uint8).copy()
            damaged[rng.integers(0, len(raw), 8)] = rng.integers(0, 256, 8)
            with contextlib.suppress(UnreadableImage):
                assert read_radiograph(damaged.tobytes()).pixels.ndim == 2
