"""From stored values to gray: bits, padding, Modality LUT, VOI LUT or window, and which end is white."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pydicom
from PIL import Image, ImageOps
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, RLELossless

from cxr.imaging import bit_depth
from cxr.imaging.dicom import codecs
from cxr.imaging.dicom.header import text_of

TAGS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
]

_TABLE = 1 << 16

_Shade = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Stored:
    """Decoded values, integers (H, W) or (H, W, 3), and what they mean ("MONOCHROME1", "RGB" …)."""

    values: np.ndarray
    photometric: str


def stored(dataset: pydicom.Dataset) -> Stored:
    """Decode the picture: unused bits dropped, sign extended, YBR turned to RGB, palettes still indices."""
    dataset.setdefault("PixelRepresentation", 0)
    dataset.setdefault("SamplesPerPixel", 1)
    dataset.setdefault("BitsStored", dataset.BitsAllocated)
    dataset.setdefault("PhotometricInterpretation", "MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB")
    syntax = dataset.file_meta.TransferSyntaxUID
    plugin = codecs.PLUGIN if syntax in codecs.DECODER_DEPENDENCIES else "pydicom" if syntax == RLELossless else ""
    options = {} if syntax in (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes) else {"correct_unused_bits": False}
    values, found = get_decoder(syntax).as_array(dataset, index=0, decoding_plugin=plugin, **options)
    if options:
        values = _used_bits(values, dataset, 0 if plugin == codecs.PLUGIN else _low_bit(dataset))
    return Stored(values, str(found["photometric_interpretation"]))


def _low_bit(dataset: pydicom.Dataset) -> int:
    """Where the stored bits begin; above 0 only in old files that align 12 bits to the left of 16."""
    low = (dataset.get("HighBit") or 0) + 1 - dataset.BitsStored
    return low if 0 < low <= dataset.BitsAllocated - dataset.BitsStored else 0


def _used_bits(values: np.ndarray, dataset: pydicom.Dataset, low: int) -> np.ndarray:
    """Drop the bits that hold no pixel (an overlay, perhaps) and extend the sign (PS3.5 8.1.1)."""
    unused = 8 * values.itemsize - dataset.BitsStored
    if dataset.BitsAllocated == 1 or unused <= 0:
        return values
    return (values << (unused - low)) >> unused


def shown(picture: Stored, dataset: pydicom.Dataset) -> tuple[Image.Image, str]:
    """The picture in 8 bits as a viewer shows it, and a name for what is stored."""
    values, bits = picture.values, dataset.BitsStored
    if picture.photometric == "PALETTE COLOR":
        return bit_depth.to_eight_bits(apply_color_lut(values, dataset), has_alpha=False), "P"
    deep = "" if bits <= 8 else f";{bits}"
    if values.ndim == 3:
        return bit_depth.to_eight_bits(values, has_alpha=False), f"RGB{deep}"
    signed = "S" if dataset.PixelRepresentation else ""
    mode = f"I;{bits}{signed}" if deep or signed else "L"
    return _gray(values, dataset, picture.photometric == "MONOCHROME1"), mode


def _gray(values: np.ndarray, dataset: pydicom.Dataset, white_is_low: bool) -> Image.Image:
    padding = _padding(values, dataset)
    gray = _windowed(values, dataset, padding)
    if gray is None:
        gray = _stretched(values, dataset, padding)
    if white_is_low:
        gray = np.asarray(ImageOps.invert(Image.fromarray(gray)))
    return Image.fromarray(gray if padding is None else np.where(padding, np.uint8(0), gray))


def _padding(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray | None:
    """Where the picture is not: bool (H, W), None without such pixels. They are shown black, like a film's edge."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = [_as_stored(end, values) for end in (value, value if limit is None else limit)]
    found = (values >= min(ends)) & (values <= max(ends))
    return None if found.all() or not found.any() else found


def _as_stored(value: int, values: np.ndarray) -> int:
    """A value that was written as unsigned although the pixels are signed, or the other way round."""
    size = 1 << 8 * values.itemsize
    return (value + size // 2) % size - size // 2 if values.dtype.kind == "i" else value % size


def _windowed(values: np.ndarray, dataset: pydicom.Dataset, padding: np.ndarray | None) -> np.ndarray | None:
    """Gray by the header's VOI LUT or first window, uint8 (H, W); None without one, or where it shows nothing."""
    voi = _voi_lut(dataset) or _window(dataset)
    if voi is None:
        return None
    gray = _mapped(values, lambda given: np.rint(255 * np.clip(voi(_modality(given, dataset)), 0, 1)).astype(np.uint8))
    inside = gray if padding is None else gray[~padding]
    low, high = np.percentile(inside, (1, 99))
    return None if low == high and np.ptp(values) else gray


def _stretched(values: np.ndarray, dataset: pydicom.Dataset, padding: np.ndarray | None) -> np.ndarray:
    """Gray by the robust window of every other deep picture, so that a DICOM and a PNG of one exposure agree.

    A linear rescale changes nothing about that window but, perhaps, its direction.
    """
    if _sequence_item(dataset, "ModalityLUTSequence") is not None:
        values = _mapped(values, lambda given: _modality(given, dataset))
    elif _rescale(dataset)[0] < 0:
        values = -values.astype(np.int64)
    if padding is not None:
        values = np.where(padding, np.nan, values)
    return bit_depth.window(values)


def _mapped(values: np.ndarray, function: _Shade) -> np.ndarray:
    """`function` of every value; of the few that there can be where a table of them is smaller than the picture."""
    least, most = int(values.min()), int(values.max())
    if most - least >= _TABLE:
        return function(values)
    return function(np.arange(least, most + 1))[values.astype(np.int32) - least]


def _modality(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """What the detector's values mean (PS3.3 C.11.1)."""
    item = _sequence_item(dataset, "ModalityLUTSequence")
    if item is not None:
        return _looked_up(values, item, dataset)
    slope, intercept = _rescale(dataset)
    return values if (slope, intercept) == (1, 0) else values * slope + intercept


def _rescale(dataset: pydicom.Dataset) -> tuple[float, float]:
    slope, intercept = (_number(dataset, name) for name in ("RescaleSlope", "RescaleIntercept"))
    return slope or 1.0, intercept or 0.0


def _number(dataset: pydicom.Dataset, keyword: str) -> float | None:
    """The first value of an attribute, None where it is missing or no number."""
    try:
        value = float(text_of(dataset, keyword))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _sequence_item(dataset: pydicom.Dataset, keyword: str) -> pydicom.Dataset | None:
    return next(iter(dataset.get(keyword) or ()), None)


def _voi_lut(dataset: pydicom.Dataset) -> _Shade | None:
    item = _sequence_item(dataset, "VOILUTSequence")
    if item is None or not item.get("LUTData"):
        return None
    # the depth that a descriptor names is often wrong: that of the largest entry is what the table was made for
    white = (1 << int(_entries(item, dataset)[1].max()).bit_length()) - 1
    return lambda values: _looked_up(values, item, dataset) / max(white, 1)


def _looked_up(values: np.ndarray, item: pydicom.Dataset, dataset: pydicom.Dataset) -> np.ndarray:
    first, entries = _entries(item, dataset)
    return entries[np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)]


def _entries(item: pydicom.Dataset, dataset: pydicom.Dataset) -> tuple[int, np.ndarray]:
    """The first value that a lookup table maps, and what it maps the values from there on to."""
    length, first, _ = item.LUTDescriptor
    length, data = length or 1 << 16, item.LUTData
    if isinstance(data, bytes):
        word = "u2" if len(data) >= 2 * length else "u1"
        data = np.frombuffer(data, word if dataset.original_encoding[1] else word.replace("u2", ">u2"))
    entries = np.asarray(data).astype(np.int64).reshape(-1)[:length]
    signed = dataset.PixelRepresentation == 1 and first >= 1 << 15
    return first - (1 << 16) * signed, entries


def _window(dataset: pydicom.Dataset) -> _Shade | None:
    """The first window as a function from values to 0…1 (PS3.3 C.11.2.1.2 and C.11.2.1.3), None without a valid one."""
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    kind = text_of(dataset, "VOILUTFunction").upper()
    if centre is None or width is None or width < (kind not in ("LINEAR_EXACT", "SIGMOID")) or width <= 0:
        return None
    if kind == "SIGMOID":
        return lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if kind == "LINEAR_EXACT":
        return lambda values: (values - centre) / width + 0.5
    if width == 1:
        return lambda values: values > centre - 0.5
    return lambda values: (values - (centre - 0.5)) / (width - 1) + 0.5
