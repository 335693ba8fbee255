"""The one reader: every 8-bit kind of file becomes the same grayscale picture, and its resize is the processor's."""

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from support import encode

from cxr.imaging import reader
from cxr.imaging.geometry import resized_size
from cxr.imaging.preprocess import FastPixelValues, make_processor, to_pixel_values
from cxr.imaging.reader import read_radiograph

GRAY = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
LUMA = np.rint(COLOUR @ [0.299, 0.587, 0.114])


def smooth(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.rint(255 * (0.5 + 0.3 * np.sin(5 * rows + 2 * columns) + 0.2 * np.cos(9 * columns))).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_gray_passes_bit_for_bit(kind):
    found = read_radiograph(encode(GRAY, kind))
    assert found.pixels.dtype == np.uint8
    assert np.array_equal(found.pixels, GRAY)
    assert (found.width, found.height, found.format) == (30, 40, kind)


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
def test_other_colour_spaces_keep_the_picture(mode):
    gray = Image.fromarray(smooth(40, 30)).convert("RGB")
    for kind, options in (("TIFF", {"compression": "jpeg", "quality": 98}), ("JPEG", {"quality": 98})):
        found = read_radiograph(encode(gray.convert(mode), kind, **options))
        assert np.abs(found.pixels - smooth(40, 30).astype(int)).mean() < 3


def test_lab_tiff_keeps_the_picture():
    lightness = np.full((8, 8), 0, np.uint8)
    lightness[:, 4:] = 255
    lab = Image.merge("LAB", [Image.fromarray(lightness)] + [Image.new("L", (8, 8), 128)] * 2)
    found = read_radiograph(encode(lab, "TIFF")).pixels
    assert found[0, 0] < 5
    assert found[0, 7] > 250


@pytest.mark.parametrize("quality", [95, 75])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_decoded_in_full(mode, quality):
    found = read_radiograph(encode(Image.fromarray(smooth(300, 200)).convert(mode), "JPEG", quality=quality))
    assert (found.format, found.mode) == ("JPEG", mode)
    assert np.abs(found.pixels - smooth(300, 200).astype(int)).mean() < 2


def test_one_bit_is_black_and_white():
    bits = GRAY > 127
    for kind in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(read_radiograph(encode(Image.fromarray(bits), kind)).pixels, np.where(bits, 255, 0))


def test_transparent_lies_over_black():
    alpha = np.zeros_like(GRAY)
    alpha[:20] = 255
    expected = np.where(alpha, GRAY, 0)
    picture = Image.fromarray(GRAY)
    for mode in ("LA", "RGBA"):
        image = picture.convert(mode)
        image.putalpha(Image.fromarray(alpha))
        assert np.array_equal(read_radiograph(encode(image)).pixels, expected)


def test_colour_under_full_opacity_counts_and_half_opacity_halves():
    rgba = np.dstack([COLOUR, np.full(GRAY.shape, 255, np.uint8)])
    assert np.abs(read_radiograph(encode(rgba)).pixels - LUMA).max() <= 1
    rgba[..., 3] = 128
    assert np.abs(read_radiograph(encode(rgba)).pixels - LUMA * 128 / 255).max() <= 1.5


def test_wholly_transparent_is_taken_for_a_broken_export():
    image = Image.fromarray(GRAY).convert("RGBA")
    image.putalpha(0)
    assert np.array_equal(read_radiograph(encode(image)).pixels, GRAY)


def test_palette_with_a_transparent_entry():
    palette = Image.new("P", (4, 1))
    palette.putpalette([0, 0, 0, 90, 90, 90, 200, 200, 200, 255, 255, 255])
    palette.putdata([0, 1, 2, 3])
    assert read_radiograph(encode(palette, transparency=3)).pixels.tolist() == [[0, 90, 200, 0]]
    assert read_radiograph(encode(palette)).pixels.tolist() == [[0, 90, 200, 255]]


def test_min_is_white_tiff_is_turned_round():
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
    found = read_radiograph(encode(stored, kind, exif=exif, **({"quality": 95} if kind != "TIFF" else {})))
    assert (found.width, found.height) == (32, 48)
    assert np.abs(found.pixels - upright.astype(int)).mean() < 3


def test_the_content_decides_and_not_the_name(tmp_path):
    path = tmp_path / "PICTURE.JPG"
    path.write_bytes(encode(GRAY, "PNG"))
    found = read_radiograph(path)
    assert (found.format, found.mode) == ("PNG", "L")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_icc_profile_changes_nothing():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(read_radiograph(encode(GRAY, icc_profile=profile)).pixels, GRAY)


@pytest.mark.parametrize("size", [(300, 300), (311, 457), (457, 311), (1000, 333), (90, 70), (146, 200)])
@pytest.mark.parametrize("input_size", [128, 160, 224])
def test_the_resize_is_the_processors_own(size, input_size):
    processor = make_processor(input_size)
    gray = np.random.default_rng(2).integers(0, 256, size, dtype=np.uint8)
    short = int(input_size / 0.875)
    found = read_radiograph(encode(gray), short_side=short)
    assert found.pixels.shape[::-1] == resized_size((size[1], size[0]), short)
    assert (found.height, found.width) == size
    full, small = (np.repeat(pixels[..., None], 3, axis=2) for pixels in (gray, found.pixels))
    expected, got = (processor(images=[image], input_data_format="channels_last") for image in (full, small))
    assert np.array_equal(expected["pixel_values"][0], got["pixel_values"][0])


def test_real_files_in_odd_formats(shared_data):
    processor = make_processor(224)
    modes = set()
    for path in sorted((shared_data / "native").rglob("*.*"))[::4]:
        full, small = read_radiograph(path), read_radiograph(path, short_side=256)
        modes.add((full.format, full.mode))
        both = (np.repeat(found.pixels[..., None], 3, axis=2) for found in (full, small))
        expected, got = (processor(images=[image], input_data_format="channels_last") for image in both)
        assert np.array_equal(expected["pixel_values"][0], got["pixel_values"][0])
        assert np.ptp(small.pixels) > 100
    assert len(modes) > 3


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
    found, whole = read_radiograph(raw, min_short_side=min_short_side), read_radiograph(raw)
    assert found.pixels.shape == shape
    assert (found.width, found.height, found.mode, found.sha256) == (800, 400, mode, whole.sha256)
    alike = np.asarray(Image.fromarray(whole.pixels).resize(shape[::-1], Image.Resampling.BOX), dtype=int)
    assert np.abs(found.pixels - alike).max() <= 3


def test_other_formats_are_always_decoded_in_full():
    assert read_radiograph(encode(smooth(400, 800)), min_short_side=50).pixels.shape == (400, 800)


@pytest.mark.parametrize("size", [(300, 420), (128, 128), (1000, 700), (37, 90)])
@pytest.mark.parametrize("input_size", [64, 112])
def test_the_quick_way_to_the_network_is_nearly_the_processors(size, input_size):
    processor = make_processor(input_size)
    quick, exact = FastPixelValues(processor)(smooth(*size)), to_pixel_values([smooth(*size)], processor)
    assert quick.shape == exact.shape == (1, 3, input_size, input_size)
    assert (quick - exact).abs().max() < 0.04  # two gray levels


def test_the_quick_way_is_the_very_same_where_nothing_is_resized():
    processor = make_processor(112)
    assert torch.equal(FastPixelValues(processor)(smooth(128, 160)), to_pixel_values([smooth(128, 160)], processor))
