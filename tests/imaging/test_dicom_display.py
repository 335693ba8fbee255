"""A DICOM is shown as a viewer shows it, and as any other file of the same exposure."""

import io

import numpy as np
import pytest
from dicom_files import SHAPE, dataset, dicom, exposure, written
from PIL import Image
from pydicom.dataset import Dataset

from cxr.imaging.reader import read_radiograph

DEEP = exposure(12)
EIGHT = exposure(8)


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def lut(first: int, entries: list[int], bits: int = 16, as_bytes: bool = False) -> list[Dataset]:
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new("LUTData", "OW" if as_bytes else "US", np.array(entries, "<u2").tobytes() if as_bytes else entries)
    return [item]


def test_eight_bits_come_back_as_they_were():
    radiograph = read_radiograph(dicom(EIGHT))
    assert np.array_equal(radiograph.pixels, EIGHT)
    assert (radiograph.width, radiograph.height, radiograph.mode, radiograph.format) == (
        SHAPE[1],
        SHAPE[0],
        "L",
        "DICOM",
    )


def test_without_a_window_a_deep_dicom_equals_a_deep_png():
    radiograph = read_radiograph(dicom(DEEP, 12))
    assert radiograph.mode == "I;12"
    assert np.array_equal(radiograph.pixels, read_radiograph(png(DEEP)).pixels)


def test_monochrome1_is_inverted():
    assert np.array_equal(read_radiograph(dicom(EIGHT, PhotometricInterpretation="MONOCHROME1")).pixels, 255 - EIGHT)
    pixels = read_radiograph(dicom(4095 - DEEP, 12, PhotometricInterpretation="MONOCHROME1")).pixels
    assert np.abs(pixels.astype(int) - read_radiograph(png(DEEP)).pixels).max() <= 1


def test_a_png_a_jpeg_and_a_monochrome1_dicom_of_one_exposure_agree():
    shown = read_radiograph(png(DEEP)).pixels
    stream = io.BytesIO()
    Image.fromarray(shown).save(stream, "JPEG", quality=98)
    negative = read_radiograph(dicom(4095 - DEEP, 12, PhotometricInterpretation="MONOCHROME1")).pixels
    assert np.abs(read_radiograph(stream.getvalue()).pixels.astype(int) - negative).max() <= 6


def test_signed_values():
    radiograph = read_radiograph(dicom(DEEP.astype(np.int16) - 2048, 12))
    assert radiograph.mode == "I;12S"
    assert np.array_equal(radiograph.pixels, read_radiograph(png(DEEP)).pixels)


def linear(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """The pseudo-code of PS3.3 C.11.2.1.2.1 with an output of 0 to 255."""
    inside = ((values - (centre - 0.5)) / max(width - 1, 0.5) + 0.5) * 255
    below, above = values <= centre - 0.5 - (width - 1) / 2, values > centre - 0.5 + (width - 1) / 2
    return np.rint(np.select([below, above], [0, 255], inside))


@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (1500, 800), (600.5, 1)])
def test_linear_window(centre, width):
    pixels = read_radiograph(dicom(DEEP, 12, WindowCenter=centre, WindowWidth=width)).pixels
    assert np.array_equal(pixels, linear(DEEP.astype(float), centre, width))


def test_the_first_of_several_windows():
    several = read_radiograph(dicom(DEEP, 12, WindowCenter=[1500, 3000], WindowWidth=[800, 100])).pixels
    assert np.array_equal(several, linear(DEEP.astype(float), 1500, 800))


def test_linear_exact_and_sigmoid_windows():
    window = {"WindowCenter": 2000, "WindowWidth": 1000}
    exact = read_radiograph(dicom(DEEP, 12, VOILUTFunction="LINEAR_EXACT", **window)).pixels
    assert np.array_equal(exact, np.rint(255 * np.clip((DEEP - 2000.0) / 1000 + 0.5, 0, 1)))
    sigmoid = read_radiograph(dicom(DEEP, 12, VOILUTFunction="SIGMOID", **window)).pixels
    assert np.array_equal(sigmoid, np.rint(255 / (1 + np.exp(-4 * (DEEP - 2000.0) / 1000))))


def test_the_full_window_of_eight_bits_changes_nothing():
    assert np.array_equal(read_radiograph(dicom(EIGHT, WindowCenter=128, WindowWidth=256)).pixels, EIGHT)


@pytest.mark.parametrize("width", [0, -5, "", None])
def test_an_invalid_window_is_ignored(width):
    pixels = read_radiograph(dicom(DEEP, 12, WindowCenter=2000, WindowWidth=width)).pixels
    assert np.array_equal(pixels, read_radiograph(png(DEEP)).pixels)


def test_a_window_that_shows_nothing_is_ignored():
    pixels = read_radiograph(dicom(DEEP, 12, WindowCenter=-9000, WindowWidth=10)).pixels
    assert np.array_equal(pixels, read_radiograph(png(DEEP)).pixels)


def test_rescale_comes_before_the_window():
    radiograph = read_radiograph(
        dicom(DEEP, 12, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=2000, WindowWidth=800)
    ).pixels
    assert np.array_equal(radiograph, linear(DEEP * 2.0 - 1000, 2000, 800))


def test_rescale_without_a_window():
    assert np.array_equal(
        read_radiograph(dicom(DEEP, 12, RescaleSlope=0.25, RescaleIntercept=-7)).pixels,
        read_radiograph(png(DEEP)).pixels,
    )
    falling = read_radiograph(dicom(4095 - DEEP, 12, RescaleSlope=-1, RescaleIntercept=4095)).pixels
    assert np.abs(falling.astype(int) - read_radiograph(png(DEEP)).pixels).max() <= 1


@pytest.mark.parametrize("as_bytes", [False, True])
def test_voi_lut(as_bytes):
    curve = [int(4095 * (i / 4095) ** 2) for i in range(4096)]
    expected = np.rint(np.array(curve)[DEEP] / 4095 * 255)
    radiograph = read_radiograph(
        dicom(DEEP, 12, VOILUTSequence=lut(0, curve, 12, as_bytes), WindowCenter=1, WindowWidth=2)
    ).pixels
    assert np.array_equal(radiograph, expected)


def test_voi_lut_with_a_first_value_clamps_at_both_ends():
    pixels = read_radiograph(dicom(DEEP, 12, VOILUTSequence=lut(1000, list(range(1024)), 10))).pixels
    assert np.array_equal(pixels, np.rint(np.clip(DEEP.astype(int) - 1000, 0, 1023) / 1023 * 255))


def test_voi_lut_of_signed_values():
    signed = DEEP.astype(np.int16) - 2048
    pixels = read_radiograph(dicom(signed, 12, VOILUTSequence=lut(-2048, list(range(4096)), 12))).pixels
    assert np.array_equal(pixels, np.rint(DEEP / 4095 * 255))


def test_modality_lut():
    falling = lut(0, list(range(4095, -1, -1)), 16)
    pixels = read_radiograph(dicom(4095 - DEEP, 12, ModalityLUTSequence=falling)).pixels
    assert np.abs(pixels.astype(int) - read_radiograph(png(DEEP)).pixels).max() <= 1
    windowed = read_radiograph(
        dicom(4095 - DEEP, 12, ModalityLUTSequence=falling, WindowCenter=1500, WindowWidth=800)
    ).pixels
    assert np.array_equal(windowed, linear(DEEP.astype(float), 1500, 800))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_affect_the_window(photometric):
    dim = DEEP // 8 + 1000
    inner = (
        read_radiograph(png(dim[10:-10])).pixels
        if photometric == "MONOCHROME2"
        else 255 - read_radiograph(png(dim[10:-10])).pixels
    )
    padded = dim.copy()
    padded[:10], padded[-10:] = 4095, 4095
    pixels = read_radiograph(dicom(padded, 12, PixelPaddingValue=4095, PhotometricInterpretation=photometric)).pixels
    assert pixels[:10].max() == pixels[-10:].max() == 0
    assert np.array_equal(pixels[10:-10], inner)


def test_a_range_of_padding_written_as_unsigned():
    signed = DEEP.astype(np.int16) - 2048
    signed[:10], signed[10:20] = -9000, -8999
    made = dataset(signed)
    made.add_new("PixelPaddingValue", "US", 65536 - 9000)
    made.add_new("PixelPaddingRangeLimit", "US", 65536 - 8999)
    pixels = read_radiograph(written(made)).pixels
    assert pixels[:20].max() == 0
    assert np.array_equal(pixels[20:], read_radiograph(png(DEEP[20:])).pixels)


def test_all_padding_is_no_padding():
    assert np.array_equal(
        read_radiograph(dicom(np.full(SHAPE, 7, np.uint8), PixelPaddingValue=7)).pixels, np.full(SHAPE, 7)
    )


def test_colour_becomes_gray():
    assert np.array_equal(read_radiograph(dicom(np.dstack([EIGHT] * 3))).pixels, EIGHT)
    colour = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(colour).convert("L"))
    radiograph = read_radiograph(dicom(colour))
    assert np.array_equal(radiograph.pixels, expected)
    assert radiograph.mode == "RGB"
    planes = dataset(colour, PlanarConfiguration=1)
    planes.PixelData = colour.transpose(2, 0, 1).tobytes()
    assert np.array_equal(read_radiograph(written(planes)).pixels, expected)


def test_ybr_becomes_gray():
    ybr = np.dstack([EIGHT, np.full_like(EIGHT, 128), np.full_like(EIGHT, 128)])
    pixels = read_radiograph(dicom(ybr, PhotometricInterpretation="YBR_FULL")).pixels
    assert np.abs(pixels.astype(int) - EIGHT).max() <= 1


@pytest.mark.parametrize("scale", [257, 1], ids=["16 bits", "8 bits called 16"])
def test_palette_becomes_gray(scale: int):
    ramp = (np.arange(256, dtype=np.uint16) * scale).tobytes()
    tables = {f"{name}PaletteColorLookupTableData": ramp for name in ("Red", "Green", "Blue")}
    ends = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    radiograph = read_radiograph(dicom(EIGHT, PhotometricInterpretation="PALETTE COLOR", **tables, **ends))
    assert np.array_equal(radiograph.pixels, EIGHT)
    assert radiograph.mode == "P"
