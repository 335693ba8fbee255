"""Five kinds of hostile file, with relatives of each, through `predict.py` and `python -m dataset_script`.

Scans of a JPEG, run lengths beyond a DICOM's frame, a palette that is missing or wrong, TIFF tags of wrong types, and
real numbers at the end of their range. Each file is one row with an answer or a reason, within seconds.
"""

import csv
import io
import json
import struct
import time
import zlib
from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from deep_files import tiff
from dicom_files import compressed, dataset, exposure, jpeg
from pydicom import uid
from support import ROOT, encode
from tiny import save_tiny

import predict
from cxr.phantom import draw_phantom
from dataset_script.__main__ import main as prepare

GRAY = np.ascontiguousarray(draw_phantom(3, 1).image[::4, ::4])
MOST_SECONDS, PHANTOMS = 5, 48
SHARED = ROOT.parent / "shared" / "cases" / "faults"


def many_scans() -> dict[str, bytes]:
    files = {}
    for count in (150, 250, 1_000, 5_000, 12_000):
        for name, options in (("baseline", {}), ("progressive", {"progressive": True})):
            for place in ("last", "first"):
                raw = encode(GRAY, "JPEG", **options)
                start, end = raw.rindex(b"\xff\xda"), raw.rindex(b"\xff\xd9")
                at = end if place == "last" else start
                files[f"{name}-{place}-{count}.jpg"] = raw[:at] + count * raw[start:end] + raw[at:]
    return files


def expanding_runs() -> dict[str, bytes]:
    files = {}
    for rows, columns in ((1, 1), (8, 8), (7, 31), (300, 200)):
        for run in (b"\x81\0", b"\x81\xff", b"\xff\0", b"\0\7", b"\x7f" + bytes(128)):
            segment = run * 200_000
            frame = struct.pack("<16I", 1, 64, *[0] * 14) + segment
            made = dataset(np.zeros((rows, columns), np.uint8))
            files[f"{rows}x{columns}-{run[:2].hex()}.dcm"] = compressed(made, uid.RLELossless, frame)
    return files


def palettes() -> dict[str, bytes]:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    files = {}
    for bits in (1, 2, 4, 8):
        row = b"\0" + bytes(range(255, 255 - (32 * bits + 7) // 8, -1))
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, bits, 3, 0, 0, 0))
        for name, palette in {
            "missing": b"",
            "empty": chunk(b"PLTE", b""),
            "short": chunk(b"PLTE", b"\1\2\3"),
            "uneven": chunk(b"PLTE", b"\1\2\3\4"),
            "long": chunk(b"PLTE", bytes(3 * 300)),
            "transparent": chunk(b"tRNS", b"\0"),
        }.items():
            pixels = chunk(b"IDAT", zlib.compress(32 * row))
            files[f"{name}-{bits}.png"] = b"\x89PNG\r\n\x1a\n" + header + palette + pixels + chunk(b"IEND", b"")
    return files


def wrong_types() -> dict[str, bytes]:
    """Every tag that decides how pixels are read, as text, as rationals and as thousands of values."""
    raw = encode(GRAY, "TIFF")
    start = struct.unpack_from("<I", raw, 4)[0]
    count = struct.unpack_from("<H", raw, start)[0]
    files = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag = struct.unpack_from("<H", raw, at)[0]
        for kind, number in ((2, 1), (2, 40), (5, 1), (12, 2), (3, 0), (4, 1 << 30)):
            entry = struct.pack("<HHI", tag, kind, number)
            files[f"{tag}-{kind}-{number}.tif"] = raw[:at] + entry + raw[at + 8 :]
    return files


def ranges() -> dict[str, bytes]:
    files = {}
    ends = (1e308, -1e308, 1e300, 5e-324, np.inf, -np.inf, np.nan)
    for low in ends:
        for high in ends[:4]:
            values = np.full(GRAY.shape, low)
            values[::2] = high
            files[f"{low}-{high}.tif"] = tiff(values)
    return files


def frames() -> dict[str, bytes]:
    """A DICOM whose JPEG has other dimensions, depth or scans than its header."""
    values = exposure(8)
    frame, files = jpeg(values), {}
    start, end = frame.index(b"\xff\xda"), frame.rindex(b"\xff\xd9")
    for count in (201, 1_000, 10_000):
        files[f"scans-{count}.dcm"] = frame[:end] + count * frame[start:end] + frame[end:]
    for rows in (1, 95, 97, 60_000):
        at = frame.index(b"\xff\xc0") + 5
        files[f"rows-{rows}.dcm"] = frame[:at] + struct.pack(">H", rows) + frame[at + 2 :]
    files["jpegls.dcm"] = imagecodecs.jpegls_encode(values)
    files |= {f"cut-{length}.dcm": frame[:length] for length in range(2, len(frame), len(frame) // 16)}
    return {name: compressed(dataset(values), uid.JPEGBaseline8Bit, raw) for name, raw in files.items()}


KINDS = {made.__name__: made for made in (many_scans, expanding_runs, palettes, wrong_types, ranges, frames)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def phantoms() -> list[bytes]:
    """Every other one is COVID, starting without."""
    return [encode(draw_phantom(seed, seed % 2).image[::4, ::4]) for seed in range(PHANTOMS)]


@pytest.mark.parametrize("kind", [*KINDS, "shared"])
def test_every_file_is_one_row_within_seconds(kind: str, model: Path, phantoms: list[bytes], tmp_path: Path, capfd):
    files = shared() if kind == "shared" else KINDS[kind]()
    assert len(files) >= 20 or kind == "shared"
    folder = tmp_path / "raw" / "normal"
    folder.mkdir(parents=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    rows = answered(model, folder, tmp_path)
    assert Counter(bool(row["verdict"]) != bool(row["error"]) for row in rows) == {True: len(files)}
    report = prepared(folder.parent, phantoms, tmp_path / "out")
    counted = sum(split["images"] for split in report["splits"].values()) + report["refused"]["total"]
    assert counted == len(files) + PHANTOMS
    assert "Traceback" not in "".join(capfd.readouterr())


def shared() -> dict[str, bytes]:
    if not SHARED.is_dir():
        pytest.skip("no ../shared/cases/faults")
    return {path.name: path.read_bytes() for path in SHARED.iterdir() if path.suffix not in (".py", ".md")}


def answered(model: Path, folder: Path, scratch: Path) -> list[dict[str, str]]:
    """The rows of `predict.py --csv`; no file may take longer than the limit."""
    table = scratch / "answers.csv"
    start = time.monotonic()
    predict.main(["--model", str(model), "--csv", str(table), str(folder)])
    assert time.monotonic() - start < MOST_SECONDS * len(list(folder.iterdir()))
    return list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))


def prepared(raw: Path, phantoms: list[bytes], out: Path) -> dict[str, dict]:
    """The report of a dataset of these files and of phantoms."""
    (raw / "COVID").mkdir()
    for seed, content in enumerate(phantoms):
        (raw / ("normal", "COVID")[seed % 2] / f"phantom-{seed}.png").write_bytes(content)
    flags = ["--no_audit", "--image_size", "32", "--num_proc", "1", "--duplicates", "report", "--out", str(out)]
    assert prepare(["--source", f"folder={raw}", *flags]) == 0
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


REASONS = {
    "baseline-last-12000.jpg": "more scans than any encoder writes",
    "8x8-8100.dcm": "more pixels in its RLE segments than its header says",
    "scans-1000.dcm": "more scans than any encoder writes",
}


def test_the_reasons_are_the_real_ones(model: Path, tmp_path: Path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, raw in (many_scans() | expanding_runs() | frames()).items():
        if name in REASONS:
            (folder / name).write_bytes(raw)
    said = {Path(row["file"]).name: row["error"] for row in answered(model, folder, tmp_path)}
    assert all(REASONS[name] in said[name] for name in REASONS)
