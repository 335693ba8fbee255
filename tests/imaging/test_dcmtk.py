"""Gray values of DICOM are those of DCMTK, an independent viewer's library, over a generated matrix of files.

Every pair of settings of two axes (transfer syntax, depth, sign, photometric interpretation, window or VOI LUT,
modality, overlay) occurs. Where this project differs on purpose, DCMTK is asked for the same on other terms:

- Without a window DCMTK stretches from minimum to maximum, this project between two robust percentiles, as it does for
  every other deep image: DCMTK is given these percentiles as its window.
- Debian's DCMTK reads no JPEG 2000: it is given the same values uncompressed.
- DCMTK knows no LINEAR_EXACT: it is given the LINEAR window of the same values.
- DCMTK 3.6 takes a table whose data are called signed for an empty one: it is given the same bits called unsigned.
- DCMTK rounds modality values to whole numbers, so no slope here is below 1.
- Entries of a palette that are 8 bits and called 16 are black in DCMTK, and shown here (`test_palette_becomes_gray`).
- Where lossy coding overshoots what the stored bits can hold, DCMTK wraps around and this project clips: near-lossless
  values keep a distance from both ends here (`test_what_lossy_coding_overshoots_is_clipped` is about the others).
"""

import itertools
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from dicom_files import compressed, dataset, dicom, exposure, written
from PIL import Image
from pydicom import DataElement, uid
from pydicom.dataset import Dataset

from cxr.imaging.bit_depth import WINDOW, eight_bits
from cxr.imaging.reader import read_radiograph

SHAPE = 24, 20
LEVELS = 2
NEAR = 2
"""By how much a value may change in near-lossless coding."""

UNCOMPRESSED = {
    "implicit": uid.ImplicitVRLittleEndian,
    "explicit": uid.ExplicitVRLittleEndian,
    "big endian": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
}
JPEG_2000 = {"JPEG 2000": uid.JPEG2000Lossless, "lossy JPEG 2000": uid.JPEG2000}
COMPRESSED = {
    "RLE": uid.RLELossless,
    "JPEG baseline": uid.JPEGBaseline8Bit,
    "JPEG extended": uid.JPEGExtended12Bit,
    "JPEG lossless": uid.JPEGLosslessSV1,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG-LS near": uid.JPEGLSNearLossless,
} | JPEG_2000
PROGRAMS = {"JPEG baseline": "dcmj2pnm", "JPEG extended": "dcmj2pnm", "JPEG lossless": "dcmj2pnm"}
PROGRAMS |= {"JPEG-LS": "dcml2pnm", "JPEG-LS near": "dcml2pnm"}
DECODERS = dict.fromkeys(("JPEG baseline", "JPEG extended"), imagecodecs.jpeg8_decode)
DECODERS |= {"JPEG-LS near": imagecodecs.jpegls_decode, "lossy JPEG 2000": imagecodecs.jpeg2k_decode}
LOSSY = tuple(DECODERS)
WINDOWS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
TABLES = ("16 bits US", "16 bits SS", "16 bits OW", "12 bits US", "8 bits OW", "8 bits in bytes", "few entries")
AXES = {
    "syntax": (*UNCOMPRESSED, *COMPRESSED),
    "bits": (8, 10, 12, 14, 16),
    "signed": (False, True),
    "photometric": ("MONOCHROME2", "MONOCHROME1"),
    "voi": ("", *WINDOWS, *TABLES),
    "modality": ("", "rescale", "fraction", "table"),
    "overlay": (False, True),
}


@dataclass(frozen=True)
class Case:
    """One file of the matrix."""

    syntax: str
    bits: int
    signed: bool
    photometric: str
    voi: str
    modality: str
    overlay: bool

    @property
    def is_possible(self) -> bool:
        """Whether the standard has such files."""
        if self.syntax == "JPEG baseline" and (self.bits, self.signed) != (8, False):
            return False
        if self.syntax == "JPEG extended" and (self.bits, self.signed) != (12, False):
            return False
        if self.overlay and (self.bits in (8, 16) or self.syntax in LOSSY):
            return False
        return not (self.syntax in ("JPEG-LS near", "lossy JPEG 2000") and self.signed)


def cases() -> Iterator[Case]:
    """A set in which every pair of settings occurs at least twice, with all windows and tables of every modality."""
    everything = [case for case in (Case(*values) for values in itertools.product(*AXES.values())) if case.is_possible]
    random.Random(0).shuffle(everything)
    seen: dict[tuple[object, ...], int] = {}
    for case in everything:
        values = list(vars(case).items())
        groups = [(*one, *other) for one, other in itertools.combinations(values, 2)]
        groups += [("triple", case.voi, case.modality, case.signed, case.bits)]
        if any(seen.get(group, 0) < (1 if group[0] == "triple" else 2) for group in groups):
            for group in groups:
                seen[group] = seen.get(group, 0) + 1
            yield case


CASES = list(cases())


def smooth(case: Case) -> np.ndarray:
    """Values that reach both ends of what is stored, int64."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 9
    shades = 0.5 + 0.5 * np.sin(x + 1) * np.cos(y)
    shades = np.clip(shades + np.random.default_rng(case.bits).normal(0, 0.02, SHAPE), 0, 1)
    shades = (shades - shades.min()) / np.ptp(shades)
    values = np.rint(shades * ((1 << case.bits) - 1)).astype(np.int64)
    if case.syntax in LOSSY:
        values = values.clip(NEAR, (1 << case.bits) - 1 - NEAR)
    return values - (1 << case.bits - 1) * case.signed


class File:
    """The data set of a case, its values before and after the modality, and how DCMTK is asked to show it."""

    def __init__(self, case: Case):
        self.case, self.stored = case, smooth(case)
        self.swap = case.syntax == "big endian"
        self.words = self._words()
        self.frame = self._frame() if case.syntax in COMPRESSED and case.syntax != "RLE" else b""
        if case.syntax in LOSSY:
            self.words = DECODERS[case.syntax](self.frame).clip(0, (1 << case.bits) - 1)
            self.stored = self.words.astype(np.int64)
        made = dataset(
            self.words.view(self.words.dtype.str.replace("u", "i")) if case.signed else self.words, case.bits
        )
        made.PhotometricInterpretation = case.photometric
        if self.swap:
            made.PixelData = self.words.byteswap().tobytes()
        self.dataset, self.arguments = made, ["+Wi", "1"]
        self.real = self._modality()
        self._voi()

    def _words(self) -> np.ndarray:
        case = self.case
        if case.bits == 8:
            return self.stored.astype(np.int16).astype(np.uint8)
        words = self.stored.astype(np.int32).astype(np.uint16)
        if case.overlay:
            above = np.random.default_rng(1).integers(0, 1 << 16 - case.bits, SHAPE) << case.bits
            words = (words & ((1 << case.bits) - 1)) | above.astype(np.uint16)
        return words

    def _modality(self) -> np.ndarray:
        case, least = self.case, int(self.stored.min())
        if case.modality == "table":
            entries = np.rint(np.linspace(0, 1, 1 << min(case.bits, 14)) ** 0.7 * 5000).astype(np.int64)
            self.dataset.ModalityLUTSequence = [self._table(least, entries, 16, "US", case.signed)]
            self.dataset.ModalityLUTSequence[0].ModalityLUTType = "US"
            return entries[np.clip(self.stored - least, 0, len(entries) - 1)]
        slope, intercept = {"": (1, 0), "rescale": (2, -1000), "fraction": (1.5, -7.5)}[case.modality]
        if case.modality:
            self.dataset.RescaleSlope, self.dataset.RescaleIntercept = slope, intercept
            self.dataset.RescaleType = "US"
        return self.stored * slope + intercept

    def _voi(self) -> None:
        case, (least, most) = self.case, (self.real.min(), self.real.max())
        if case.voi in WINDOWS:
            centre, width = least + (most - least) * 0.6, (most - least) * 0.7
            self.dataset.WindowCenter, self.dataset.WindowWidth = f"{centre:.3f}", f"{width:.3f}"
            self.dataset.VOILUTFunction = case.voi
            if case.voi == "LINEAR_EXACT":
                self._ask_for(centre - width / 2, centre + width / 2)
        elif case.voi:
            start = 0.5 if case.voi == "few entries" else 0.05
            first = int(np.clip(least + (most - least) * start, -(1 << 15), (1 << 15) - 1))
            self.dataset.VOILUTSequence = [self._voi_table(first, int(most - least))]
            self.arguments = ["+Wl", "1"]
        else:
            self._ask_for(*self._percentiles())

    def _voi_table(self, first: int, width: int) -> Dataset:
        kind, _, vr = self.case.voi.partition(" bits ")
        length = min(600 if self.case.voi == "few entries" else 4096, width)
        bits = {"few entries": 16}.get(self.case.voi) or int(kind)
        entries = np.rint(np.linspace(0, 1, length) ** 1.5 * ((1 << bits) - 1)).astype(np.int64)
        return self._table(first, entries, bits, vr or "US", first < 0)

    def _table(self, first: int, entries: np.ndarray, bits: int, vr: str, signed: bool) -> Dataset:
        item = Dataset()
        item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
        if vr == "in bytes":
            data = entries.astype(np.uint8).tobytes()
            item.add_new("LUTData", "OW", data + b"\0" * (len(data) % 2))
        elif vr == "OW":
            item.add_new("LUTData", "OW", entries.astype(">u2" if self.swap else "<u2").tobytes())
        else:
            item.add_new("LUTData", vr, entries.astype(np.uint16 if vr == "US" else np.int16).tolist())
        return item

    def _percentiles(self) -> tuple[float, float]:
        """What becomes black and white without a window, as modality values."""
        shown = self.real if self.case.modality == "table" else self.stored
        low, high = (0, 255) if eight_bits(shown) is not None else np.percentile(shown, WINDOW)
        slope, intercept = float(self.dataset.get("RescaleSlope", 1)), float(self.dataset.get("RescaleIntercept", 0))
        return slope * low + intercept, slope * high + intercept

    def _ask_for(self, low: float, high: float) -> None:
        """Black and white at these values; the width of a LINEAR window counts values, not their distance."""
        self.arguments = ["+Wfl", "+Ww", str((low + high) / 2 + 0.5), str(high - low + 1)]

    def bytes(self, syntax: str | None = None) -> bytes:
        """The file in its own syntax, or in another one."""
        syntax = syntax or self.case.syntax
        if syntax in UNCOMPRESSED:
            return written(self.dataset, UNCOMPRESSED[syntax])
        if syntax == "RLE":
            self.dataset.ensure_file_meta()
            self.dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
            self.dataset.compress(uid.RLELossless, generate_instance_uid=False)
            return written(self.dataset, uid.RLELossless)
        return compressed(self.dataset, COMPRESSED[syntax], self.frame)

    def _frame(self) -> bytes:
        words, case, syntax = self.words, self.case, self.case.syntax
        deep = {} if case.bits == 8 else {"bitspersample": 16 if case.overlay or case.signed else case.bits}
        if syntax in JPEG_2000:
            signed = words.view(words.dtype.str.replace("u", "i")) if case.signed else words
            level = {"level": 90, "reversible": False} if syntax in LOSSY else {"level": 0}
            return imagecodecs.jpeg2k_encode(signed, codecformat="j2k", **level)
        if syntax in ("JPEG-LS", "JPEG-LS near"):
            return imagecodecs.jpegls_encode(words, level=NEAR if syntax in LOSSY else 0)
        if syntax in ("JPEG baseline", "JPEG extended"):
            return imagecodecs.jpeg8_encode(words, level=95, **deep)
        return imagecodecs.jpeg8_encode(words, lossless=True, predictor=1, **deep)


def by_dcmtk(file: File, folder: Path) -> np.ndarray:
    """The gray values that DCMTK writes for a file."""
    syntax = "explicit" if file.case.syntax in JPEG_2000 else file.case.syntax
    for item in file.dataset.get("VOILUTSequence", ()):
        if item["LUTData"].VR == "SS":
            item["LUTData"] = DataElement("LUTData", "US", np.array(item.LUTData).astype(np.uint16).tolist())
    (folder / "image.dcm").write_bytes(file.bytes(syntax))
    program = PROGRAMS.get(syntax, "dcm2pnm")
    command = [program, "-q", "-O", *file.arguments, "+op", "image.dcm", "image.pgm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{file.case}: {done.stderr}"
    return np.asarray(Image.open(folder / "image.pgm")).astype(int)


def difference(case: Case, folder: Path) -> int:
    theirs = by_dcmtk(File(case), folder)
    return int(np.abs(read_radiograph(File(case).bytes()).pixels - theirs).max())


@pytest.fixture(scope="module")
def dcmtk() -> None:
    """Skip without DCMTK, or fail where REQUIRE_DCMTK=1 says that it must be there."""
    if any(shutil.which(program) is None for program in ("dcm2pnm", *PROGRAMS.values())):
        missing = pytest.fail if os.environ.get("REQUIRE_DCMTK") == "1" else pytest.skip
        missing("no DCMTK found: run `make peers`")


@pytest.mark.parametrize("syntax", AXES["syntax"])
def test_gray_values_are_those_of_dcmtk(syntax: str, dcmtk: None, tmp_path: Path):
    differences = {case: difference(case, tmp_path) for case in CASES if case.syntax == syntax}
    assert {case: levels for case, levels in differences.items() if levels > LEVELS} == {}


def test_the_matrix_holds_every_setting_of_every_axis_with_every_window():
    assert len(CASES) > 500
    for name, settings in AXES.items():
        assert {getattr(case, name) for case in CASES} == set(settings)
        if name not in ("syntax", "voi"):
            held = {(getattr(case, name), case.voi) for case in CASES}
            assert held == set(itertools.product(settings, AXES["voi"]))


SPACINGS = {
    "PixelSpacing": {"PixelSpacing": [0.4, 0.2]},
    "ImagerPixelSpacing": {"ImagerPixelSpacing": [0.4, 0.2]},
    "PixelAspectRatio": {"PixelAspectRatio": ["2", "1"]},
    "PixelSpacing before the others": {
        "PixelSpacing": [0.4, 0.2],
        "ImagerPixelSpacing": [0.2, 0.2],
        "PixelAspectRatio": ["1", "1"],
    },
    "ImagerPixelSpacing before the ratio": {"ImagerPixelSpacing": [0.2, 0.4], "PixelAspectRatio": ["1", "1"]},
}


@pytest.mark.parametrize("name", SPACINGS)
def test_pixels_become_square_as_in_dcmtk(name: str, dcmtk: None, tmp_path: Path):
    raw = dicom(exposure(8), **SPACINGS[name])
    (tmp_path / "image.dcm").write_bytes(raw)
    command = ["dcm2pnm", "-q", "+a", "+Sxf", "2", "+op", "image.dcm", "image.pgm"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    width, height = Image.open(tmp_path / "image.pgm").size
    radiograph = read_radiograph(raw)
    assert radiograph.width / radiograph.height == pytest.approx(width / height)
    assert radiograph.width / radiograph.height != pytest.approx(80 / 96)


def palette(bits: int, entries: np.ndarray, first: int, stored: np.ndarray) -> Dataset:
    """A PALETTE COLOR file of gray entries."""
    made = dataset(stored, 8 * stored.itemsize)
    made.PhotometricInterpretation = "PALETTE COLOR"
    for name in ("Red", "Green", "Blue"):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [len(entries) % (1 << 16), first, bits])
        data = entries.astype("<u2").tobytes() if bits == 16 else entries.astype(np.uint8).tobytes()
        made.add_new(f"{name}PaletteColorLookupTableData", "OW", data + b"\0" * (len(data) % 2))
    return made


PALETTES = {
    "16 bits": (16, np.linspace(0, 65535, 256) ** 0.5 * 256, 0),
    "16 bits of a dark image": (16, np.linspace(0, 20000, 256), 0),
    "8 bits": (8, np.linspace(255, 0, 256), 0),
    "few entries": (16, np.linspace(3000, 60000, 100), 40),
}


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_are_those_of_dcmtk(name: str, dcmtk: None, tmp_path: Path):
    bits, entries, first = PALETTES[name]
    stored = np.arange(24 * 20, dtype=np.uint8).reshape(SHAPE)
    raw = written(palette(bits, np.rint(entries).astype(np.int64), first, stored), uid.ExplicitVRLittleEndian)
    (tmp_path / "image.dcm").write_bytes(raw)
    subprocess.run(["dcm2pnm", "-q", "-O", "+op", "image.dcm", "image.ppm"], cwd=tmp_path, check=True, timeout=60)
    theirs = np.asarray(Image.open(tmp_path / "image.ppm").convert("L")).astype(int)
    assert np.abs(read_radiograph(raw).pixels - theirs).max() <= LEVELS
