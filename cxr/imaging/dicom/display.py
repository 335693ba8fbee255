"""From stored values to the gray that a viewer shows: padding, modality, VOI LUT or window, and which end is white.

Windows are applied by pydicom. Lookup tables are not: on headers of real collections `apply_modality_lut` and
`apply_voi` fail where a table's depth is 12 or wrong, wrap around where values exceed the table's type, and truncate
rescaled values; pydicom also ignores a slope that has no intercept (docs/decisions.md).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import apply_color_lut
from pydicom.pixels.processing import apply_windowing

from cxr.imaging import bit_depth
from cxr.imaging.colour import Values
from cxr.imaging.dicom.header import text_of
from cxr.imaging.dicom.pixels import StoredPixels
from cxr.imaging.limits import check_size

Scalar = TypeVar("Scalar", bound=np.generic)

_SQUARE, _MOST_ELONGATED = 0.01, 10.0
_COLUMNS = ((0.45, 0.55), (0.2, 0.35), (0.65, 0.8))
_TABLE = 1 << 16
_WORD = _TABLE - 1
_Gray = NDArray[np.uint8]
_Mask = NDArray[np.bool_]


class LookupTable(NamedTuple):
    """A Modality or VOI LUT: the first value that it maps, and what it maps the values from there on to."""

    first: int
    entries: NDArray[np.int64]

    def apply(self, values: Values) -> NDArray[np.int64]:
        """Map values of any shape; those beyond the table's ends are mapped like its ends (PS3.3 C.11.1.1.1)."""
        index = np.rint(values).astype(np.int64) - self.first
        return self.entries[np.clip(index, 0, len(self.entries) - 1)]


INVERSE_IGNORED = (
    "The file says both that high values are white (MONOCHROME2) and that they are black (Presentation LUT Shape "
    "INVERSE). It is shown by the first, because by the second it would not look like a radiograph."
)


class Rendered(NamedTuple):
    """An image as 8-bit gray, uint8 (H, W) with square pixels, and what in its header contradicts it, if anything."""

    pixels: _Gray
    warning: str = ""


def render(stored: StoredPixels, dataset: pydicom.Dataset) -> Rendered:
    """The image as a viewer shows it."""
    gray = _with_square_pixels(_gray(stored, dataset), dataset)
    if stored.photometric != "MONOCHROME2" or text_of(dataset, "PresentationLUTShape").upper() != "INVERSE":
        return Rendered(gray)
    inverted: _Gray = 255 - gray
    return Rendered(inverted) if _looks_upright(inverted) else Rendered(gray, INVERSE_IGNORED)


def _looks_upright(gray: _Gray) -> bool:
    """Whether the middle of a chest is brighter than both lungs beside it, as it is where bone is white."""
    height, width = gray.shape
    rows = gray[height * 3 // 10 : height * 7 // 10]
    middle, *lungs = (rows[:, int(width * left) : max(1, int(width * right))] for left, right in _COLUMNS)
    return all(np.mean(middle) > np.mean(lung) for lung in lungs)


def _with_square_pixels(gray: _Gray, dataset: pydicom.Dataset) -> _Gray:
    """Enlarge the side whose pixels are further apart (PS3.3 C.7.6.3.1.7, 10.7.1.3), which no model was trained on."""
    ratio = _aspect(dataset)
    if abs(ratio - 1) < _SQUARE:
        return gray
    height, width = gray.shape
    size = (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)
    check_size(*size)
    return cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _aspect(dataset: pydicom.Dataset) -> float:
    """How much further apart the rows are than the columns; 1 where it is not stated, or not believable."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        values = _numbers(dataset, keyword)
        if len(values) == 2 and min(values) > 0:
            ratio = values[0] / values[1]
            return ratio if 1 / _MOST_ELONGATED <= ratio <= _MOST_ELONGATED else 1.0
    return 1.0


def _numbers(dataset: pydicom.Dataset, keyword: str) -> list[float]:
    """All values of an attribute; none where one is not a finite number."""
    try:
        value = dataset.get(keyword)
        numbers = [float(part) for part in (value if isinstance(value, Sequence) else [value])]
    except (ValueError, TypeError, ArithmeticError):
        return []
    return numbers if np.all(np.isfinite(numbers)) else []


def _gray(stored: StoredPixels, dataset: pydicom.Dataset) -> _Gray:
    if stored.photometric == "PALETTE COLOR":
        return bit_depth.to_eight_bit_gray(_looked_up(stored.values, dataset))
    if stored.values.ndim == 3:
        return bit_depth.to_eight_bit_gray(stored.values)
    padding = _padding(stored.values, dataset)
    gray = _windowed(stored.values, dataset, padding)
    if gray is None:
        gray = _stretched(stored.values, dataset, padding)
    if stored.photometric == "MONOCHROME1":
        gray = 255 - gray
    return gray if padding is None else np.where(padding, np.uint8(0), gray)


def _looked_up(values: NDArray[np.integer], dataset: pydicom.Dataset) -> NDArray[np.integer]:
    """The colours of a palette, 8 bits (H, W, 3): its entries are display values (PS3.3 C.7.6.3.1.5), never windowed.

    Some files call 8 bits 16, whose upper half is then empty.
    """
    colours = apply_color_lut(values, dataset)
    return (colours >> 8).astype(np.uint8) if colours.max() > 255 else colours


def stored_mode(stored: StoredPixels, dataset: pydicom.Dataset) -> str:
    """A name for what is stored, in the style of Pillow's modes: `L`, `I;12`, `I;16S`, `RGB`, `P`."""
    if stored.photometric == "PALETTE COLOR":
        return "P"
    bits, signed = dataset.BitsStored, bool(dataset.PixelRepresentation)
    deep = f";{bits}" if bits > 8 else ""
    if stored.values.ndim == 3:
        return f"RGB{deep}"
    if signed:
        return f"I;{bits}S"
    return f"I{deep}" if deep else "L"


def _padding(values: NDArray[np.integer], dataset: pydicom.Dataset) -> _Mask | None:
    """Which pixels, bool (H, W), lie outside the image and are shown black; None if there are none, or no others."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = [_as_stored(end, values) for end in (value, value if limit is None else limit)]
    outside = (values >= min(ends)) & (values <= max(ends))
    return None if outside.all() or not outside.any() else outside


def _as_stored(value: int, values: NDArray[np.integer]) -> int:
    """A value that was written as unsigned although the pixels are signed, or the other way round."""
    size = 1 << 8 * values.itemsize
    return (value + size // 2) % size - size // 2 if values.dtype.kind == "i" else value % size


def _windowed(values: NDArray[np.integer], dataset: pydicom.Dataset, padding: _Mask | None) -> _Gray | None:
    """Gray by the header's VOI LUT or first window; None if it has neither, or if the result shows nothing."""
    to_gray = _voi_lut(dataset) or _voi_window(dataset)
    if to_gray is None:
        return None
    gray = _map_values(values, lambda part: np.rint(to_gray(_modality_values(part, dataset))).astype(np.uint8))
    inside = gray if padding is None else gray[~padding]
    low, high = np.percentile(inside, (1, 99))
    return None if low == high and np.ptp(values) else gray


def _stretched(values: NDArray[np.integer], dataset: pydicom.Dataset, padding: _Mask | None) -> _Gray:
    """Gray by `bit_depth.window`, as for other deep images, so that a DICOM and a PNG of one exposure agree.

    A linear rescale does not change that window, except by a negative slope its direction.
    """
    shown: Values = values
    table = _modality_lut(dataset)
    if table is not None:
        shown = _map_values(values, table.apply)
    elif _rescale(dataset)[0] < 0:
        shown = -values.astype(np.int64)
    return bit_depth.window(shown if padding is None else np.where(padding, np.nan, shown))


def _map_values(values: NDArray[np.integer], function: Callable[[Values], NDArray[Scalar]]) -> NDArray[Scalar]:
    """`function` of every value, through a table of all values in between where these are few."""
    least, most = int(values.min()), int(values.max())
    if most - least >= _TABLE:
        return function(values)
    return function(np.arange(least, most + 1))[values.astype(np.int32) - least]


def _modality_values(values: Values, dataset: pydicom.Dataset) -> Values:
    """The quantity that stored values stand for (PS3.3 C.11.1)."""
    table = _modality_lut(dataset)
    if table is not None:
        return table.apply(values)
    slope, intercept = _rescale(dataset)
    return values if (slope, intercept) == (1, 0) else values * slope + intercept


def _rescale(dataset: pydicom.Dataset) -> tuple[float, float]:
    slope, intercept = (_number(dataset, name) for name in ("RescaleSlope", "RescaleIntercept"))
    return slope or 1.0, intercept or 0.0


def _number(dataset: pydicom.Dataset, keyword: str) -> float | None:
    """The first value of an attribute; None where it is missing or not a finite number."""
    try:
        value = float(text_of(dataset, keyword))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _voi_lut(dataset: pydicom.Dataset) -> Callable[[Values], Values] | None:
    """The VOI LUT as a function from modality values to 0…255; None without one."""
    table = _lookup_table(dataset, "VOILUTSequence", _modality_range(dataset))
    if table is None:
        return None
    # The depth that a descriptor names is often wrong; the largest entry tells what the table was made for.
    white = max(1, (1 << int(table.entries.max()).bit_length()) - 1)
    return lambda values: 255 * np.clip(table.apply(values) / white, 0, 1)


def _modality_lut(dataset: pydicom.Dataset) -> LookupTable | None:
    return _lookup_table(dataset, "ModalityLUTSequence", _stored_range(dataset))


def _stored_range(dataset: pydicom.Dataset) -> tuple[float, float]:
    """The least and the greatest value that can be stored."""
    least = -(1 << dataset.BitsStored - 1) if dataset.PixelRepresentation else 0
    return least, least + (1 << dataset.BitsStored) - 1


def _modality_range(dataset: pydicom.Dataset) -> tuple[float, float]:
    """The least and the greatest modality value that there can be."""
    if _modality_lut(dataset) is not None:
        return 0, _WORD
    slope, intercept = _rescale(dataset)
    least, most = sorted(slope * end + intercept for end in _stored_range(dataset))
    return least, most


def _lookup_table(dataset: pydicom.Dataset, sequence: str, mapped: tuple[float, float]) -> LookupTable | None:
    """The first table of a sequence, for values of the range `mapped`; None without one.

    Whether the first value is signed cannot be told from a descriptor in Implicit VR, nor believed of many others:
    values below 0 and above 32,767 look alike there, and that is taken which the range allows.
    """
    item = next(iter(dataset.get(sequence) or ()), None)
    if item is None or not item.get("LUTData"):
        return None
    length, first, _ = item.LUTDescriptor
    length, data = (length & _WORD) or _TABLE, item.LUTData
    if isinstance(data, bytes):
        word = "u2" if len(data) >= 2 * length else "u1"
        data = np.frombuffer(data, word if dataset.original_encoding[1] else word.replace("u2", ">u2"))
    # unsigned, whatever the value representation that the file gives them (PS3.3 C.11.1.1.1)
    entries = np.asarray(data).astype(np.int64).reshape(-1)[:length] & _WORD
    if first >= _TABLE // 2 and mapped[0] < 0 and (first - _TABLE >= mapped[0] or first > mapped[1]):
        first -= _TABLE
    return LookupTable(first, entries)


def _voi_window(dataset: pydicom.Dataset) -> Callable[[Values], Values] | None:
    """The first window as a function from modality values to 0…255; None without a valid one (PS3.3 C.11.2.1.2)."""
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    function = text_of(dataset, "VOILUTFunction").upper()
    if function not in ("LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    if centre is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    header = pydicom.Dataset()  # of 8 unsigned bits, for pydicom maps to the range of the stored values
    header.BitsStored, header.PixelRepresentation, header.PhotometricInterpretation = 8, 0, "MONOCHROME2"
    header.add_new("WindowCenter", "FD", centre)
    header.add_new("WindowWidth", "FD", width)
    header.VOILUTFunction = function
    return lambda values: apply_windowing(values, header)
