"""The one reader: every 8-bit kind of file becomes the same grayscale radiograph."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from support import encode

from cxr.imaging import reader
from cxr.imaging.reader import read_radiograph

GRAY = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
LUMA = np.rint(COLOUR @ [0.299, 0.587, 0.114])


def smooth(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.rint(255 * (0.5 + 0.3 * np.sin(5 * rows + 2 * columns) + 0.2 * np.cos(9 * columns))).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_gray_passes_bit_for_bit(kind):
    radiograph = read_radiograph(encode(GRAY, kind))
    assert radiograph.pixels.dtype == np.uint8
    assert np.array_equal(radiograph.pixels, GRAY)
    assert (radiograph.width, radiograph.height, radiograph.format) == (30, 40, kind)


@pytest.mark.parametrize(
    ("image", "kind", "options"),
    [
        (Image.fromarray(GRAY).convert("RGB"), "PNG", {}),
        (Image.fromarray(GRAY).convert("RGB"), "BMP", {}),
        (Image.fromarray(GRAY).convert("RGB"), "TIFF", {"compression": "tiff_lzw"}),
        (Image.fromarray(GRAY).convert("RGB"), "WEBP", {"lossless": True}),
        (Image.fromarray(GRAY).convert("RGBA"), "PNG", {}),
        (Image.fromarray(GRAY).convert("RGBA"), "WEBP", {"lossless": True}),
        (Image.fromarray(GRAY).convert("LA"), "PNG", {}),
        (Image.fromarray(GRAY).convert("P"), "PNG", {}),
        (Image.fromarray(GRAY).convert("RGB").quantize(256), "PNG", {}),
    ],
)
def test_gray_stored_as_colour_gives_exactly_that_gray(image, kind, options):
    expected = np.asarray(image.convert("RGB"))[..., 0]
    assert np.array_equal(read_radiograph(encode(image, kind, **options)).pixels, expected)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_colour_becomes_luma(kind):
    assert np.abs(read_radiograph(encode(COLOUR, kind)).pixels - LUMA).max() <= 1


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colour_spaces_keep_the_image(mode):
    gray = Image.fromarray(smooth(40, 30)).convert("RGB")
    for kind, options in (("TIFF", {"compression": "jpeg", "quality": 98}), ("JPEG", {"quality": 98})):
        radiograph = read_radiograph(encode(gray.convert(mode), kind, **options))
        assert np.abs(radiograph.pixels - smooth(40, 30).astype(int)).mean() < 3


def test_lab_tiff_keeps_the_image():
    lightness = np.full((8, 8), 0, np.uint8)
    lightness[:, 4:] = 255
    lab = Image.merge("LAB", [Image.fromarray(lightness)] + [Image.new("L", (8, 8), 128)] * 2)
    pixels = read_radiograph(encode(lab, "TIFF")).pixels
    assert pixels[0, 0] < 5
    assert pixels[0, 7] > 250


@pytest.mark.parametrize("quality", [95, 75])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_decoded_in_full(mode, quality):
    radiograph = read_radiograph(encode(Image.fromarray(smooth(300, 200)).convert(mode), "JPEG", quality=quality))
    assert (radiograph.format, radiograph.mode) == ("JPEG", mode)
    assert np.abs(radiograph.pixels - smooth(300, 200).astype(int)).mean() < 2


def test_one_bit_is_black_and_white():
    bits = GRAY > 127
    for kind in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(read_radiograph(encode(Image.fromarray(bits), kind)).pixels, np.where(bits, 255, 0))


def test_transparency_is_laid_over_black():
    alpha = np.zeros_like(GRAY)
    alpha[:20] = 255
    expected = np.where(alpha, GRAY, 0)
    gray = Image.fromarray(GRAY)
    for mode in ("LA", "RGBA"):
        image = gray.convert(mode)
        image.putalpha(Image.fromarray(alpha))
        assert np.array_equal(read_radiograph(encode(image)).pixels, expected)


def test_colour_under_full_opacity_counts_and_half_opacity_halves():
    rgba = np.dstack([COLOUR, np.full(GRAY.shape, 255, np.uint8)])
    assert np.abs(read_radiograph(encode(rgba)).pixels - LUMA).max() <= 1
    rgba[..., 3] = 128
    assert np.abs(read_radiograph(encode(rgba)).pixels - LUMA * 128 / 255).max() <= 1.5


def test_full_transparency_is_ignored_as_a_broken_export():
    image = Image.fromarray(GRAY).convert("RGBA")
    image.putalpha(0)
    assert np.array_equal(read_radiograph(encode(image)).pixels, GRAY)


def test_palette_with_a_transparent_entry():
    palette = Image.new("P", (4, 1))
    palette.putpalette([0, 0, 0, 90, 90, 90, 200, 200, 200, 255, 255, 255])
    palette.putdata([0, 1, 2, 3])
    assert read_radiograph(encode(palette, transparency=3)).pixels.tolist() == [[0, 90, 200, 0]]
    assert read_radiograph(encode(palette)).pixels.tolist() == [[0, 90, 200, 255]]


def test_min_is_white_tiff_is_inverted():
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, GRAY, photometric="miniswhite")
    assert np.array_equal(read_radiograph(stream.getvalue()).pixels, 255 - GRAY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(kind, orientation):
    upright = smooth(48, 32)
    turns = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM}
    turns |= {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}
    turns |= {8: Image.Transpose.ROTATE_270}
    stored = Image.fromarray(upright)
    stored = stored.transpose(turns[orientation]) if orientation > 1 else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    radiograph = read_radiograph(encode(stored, kind, exif=exif, **({"quality": 95} if kind != "TIFF" else {})))
    assert (radiograph.width, radiograph.height) == (32, 48)
    assert np.abs(radiograph.pixels - upright.astype(int)).mean() < 3


def test_the_content_decides_and_not_the_name(tmp_path):
    path = tmp_path / "IMAGE.JPG"
    path.write_bytes(encode(GRAY, "PNG"))
    radiograph = read_radiograph(path)
    assert (radiograph.format, radiograph.mode) == ("PNG", "L")
    assert radiograph.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_icc_profile_changes_nothing():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(read_radiograph(encode(GRAY, icc_profile=profile)).pixels, GRAY)


def test_reading_warns_of_nothing(recwarn, capfd):
    palette = Image.fromarray(GRAY).convert("P")
    for raw in (encode(palette, transparency=bytes(range(256))), encode(GRAY > 127), encode(COLOUR, "TIFF")):
        reader.read_radiograph(raw)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("min_short_side", "shape"), [(100, (100, 200)), (51, (100, 200)), (50, (50, 100)), (1000, (400, 800))]
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_may_be_decoded_at_reduced_size(mode, min_short_side, shape):
    raw = encode(Image.fromarray(smooth(400, 800)).convert(mode), "JPEG", quality=95)
    radiograph, whole = read_radiograph(raw, min_short_side=min_short_side), read_radiograph(raw)
    assert radiograph.pixels.shape == shape
    assert (radiograph.width, radiograph.height, radiograph.mode, radiograph.sha256) == (800, 400, mode, whole.sha256)
    alike = np.asarray(Image.fromarray(whole.pixels).resize(shape[::-1], Image.Resampling.BOX), dtype=int)
    assert np.abs(radiograph.pixels - alike).max() <= 3


def test_other_formats_are_always_decoded_in_full():
    assert read_radiograph(encode(smooth(400, 800)), min_short_side=50).pixels.shape == (400, 800)
