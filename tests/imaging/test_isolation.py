"""What is not plainly cheap is decoded by a process with limits, to the same result; it may end at any time."""

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from deep_files import tiff
from dicom_files import bare, compressed, dataset, dicom, exposure, jpeg
from PIL import Image
from pydicom import uid
from support import ROOT, encode

from cxr.errors import UnreadableImage
from cxr.imaging import isolation, radiograph
from cxr.imaging.formats import cost
from cxr.imaging.isolation import pool, worker
from cxr.imaging.limits import FILE_TOO_LARGE, MAX_FILE_BYTES, TOO_MUCH_MEMORY, TOO_SLOW
from cxr.imaging.reader import read_radiograph

NOISE = np.random.default_rng(0).integers(0, 256, (90, 80), dtype=np.uint8)
RGB = np.stack([NOISE, NOISE // 2, NOISE // 3], axis=-1)


CHEAP = {
    "png": encode(NOISE),
    "rgba png": encode(np.dstack([RGB, NOISE])),
    "16-bit png": encode(NOISE.astype(np.uint16) * 200),
    "jpeg": encode(RGB, "JPEG"),
    "progressive jpeg": encode(RGB, "JPEG", progressive=True),
    "jpeg with a comment": encode(NOISE, "JPEG", comment="x" * 500),
    "webp": encode(RGB, "WEBP"),
    "lossless webp": encode(RGB, "WEBP", lossless=True),
    "webp with alpha": encode(np.dstack([RGB, NOISE]), "WEBP"),
    "bmp": encode(RGB, "BMP"),
    "gif": encode(NOISE, "GIF"),
    "tiff": encode(NOISE, "TIFF"),
    "rgb tiff": encode(RGB, "TIFF"),
    "tiff in strips": tiff(RGB, rowsperstrip=7, photometric="rgb"),
    "tiff of white zero": encode(Image.fromarray(NOISE), "TIFF", tiffinfo={262: 0}),
    "turned tiff": encode(Image.fromarray(NOISE), "TIFF", tiffinfo={274: 6}),
    "big-endian tiff": tiff(NOISE.astype(np.uint16) * 200, byteorder=">"),
    "deep tiff": tiff(NOISE.astype(np.float32)),
    "dicom": dicom(exposure(12), 12),
    "text": b"no image at all",
}
COSTLY = {
    "compressed tiff": encode(NOISE, "TIFF", compression="tiff_lzw"),
    "deep compressed tiff": tiff(NOISE.astype(np.float32), compression="zlib"),
    "tiff with a private tag": tiff(NOISE, extratags=[(65000, 4, 1, 8, True)]),
    "tiff of two pages": encode(Image.fromarray(NOISE), "TIFF", save_all=True, append_images=[Image.fromarray(NOISE)]),
    "animated gif": encode(Image.fromarray(NOISE), "GIF", save_all=True, append_images=[Image.fromarray(NOISE.T)]),
    "bare dicom": bare(dataset(exposure(12), 12)),
    "colour dicom": dicom(RGB),
    "dicom in jpeg": compressed(dataset(exposure(8), 8), uid.JPEGBaseline8Bit, jpeg(exposure(8))),
    "animated png": encode(Image.fromarray(NOISE), save_all=True, append_images=[Image.fromarray(NOISE.T)] * 40),
}


@pytest.mark.parametrize("name", CHEAP)
def test_what_encoders_write_is_cheap(name: str):
    assert cost.is_cheap(CHEAP[name])


@pytest.mark.parametrize("name", COSTLY)
def test_what_may_cost_more_is_not(name: str):
    assert not cost.is_cheap(COSTLY[name])


@pytest.mark.parametrize("name", [*CHEAP, *COSTLY])
def test_both_ways_give_the_same(name: str):
    raw, key = (CHEAP | COSTLY)[name], bytes(16)

    def outcome(decode) -> object:
        try:
            return vars(decode(raw, 64, key))
        except UnreadableImage as error:
            return error.reason

    here, there = outcome(radiograph.decode), outcome(isolation.decode)
    if isinstance(here, dict):
        assert np.array_equal(here.pop("pixels"), there.pop("pixels"))
    assert here == there


def test_a_process_that_is_killed_is_replaced_and_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "_pool", pool._Pool())  # without the processes that other tests left
    path = tmp_path / "image.tif"
    path.write_bytes(COSTLY["compressed tiff"])
    for _ in range(3):
        assert np.array_equal(read_radiograph(path).pixels, NOISE)
        (process,) = pool._pool._idle
        os.kill(process._process.pid, signal.SIGKILL)
    assert np.array_equal(read_radiograph(path).pixels, NOISE)
    pool._pool.end()


def test_many_threads_get_their_own_answers():
    images = [np.full((40, 30 + number), number, np.uint8) for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        read = list(
            threads.map(lambda image: read_radiograph(encode(image, "TIFF", compression="tiff_lzw")).pixels, images)
        )
    assert all(np.array_equal(*pair) for pair in zip(images, read, strict=True))


def test_neither_pipes_nor_devices_nor_huge_files_are_read(tmp_path: Path):
    pipe, huge = tmp_path / "pipe.png", tmp_path / "huge.png"
    os.mkfifo(pipe)
    with huge.open("wb") as stream:
        stream.write(CHEAP["png"])
        stream.truncate(MAX_FILE_BYTES * 20)
    for path, reason in ((pipe, "is not a regular file"), (Path("/dev/zero"), "regular"), (huge, FILE_TOO_LARGE)):
        with pytest.raises(UnreadableImage, match=reason):
            read_radiograph(path)


def rle_bmp(side: int) -> bytes:
    """A BMP in run lengths, which Pillow decodes pixel by pixel in Python."""
    runs = b"\1\7" * side + b"\0\0"
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, side * len(runs), 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", start + side * len(runs), 0, 0, start) + header + bytes(1024) + side * runs


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Processes that start after the limits have been changed."""
    own = pool._Pool()
    monkeypatch.setattr(pool, "_pool", own)
    yield monkeypatch
    own.end()


def test_a_file_that_takes_too_long_is_refused_and_the_next_one_is_read(fresh: pytest.MonkeyPatch):
    assert read_radiograph(rle_bmp(100)).pixels.shape == (100, 100)
    fresh.setattr(worker, "CPU_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(UnreadableImage, match=TOO_SLOW):
        read_radiograph(rle_bmp(4000))
    assert time.monotonic() - start < 5
    assert read_radiograph(COSTLY["compressed tiff"]).pixels.shape == NOISE.shape


def test_a_file_that_takes_too_long_by_the_clock_is_refused(fresh: pytest.MonkeyPatch):
    assert read_radiograph(rle_bmp(100)).pixels.shape == (100, 100)
    fresh.setattr(pool, "SECONDS", 0.2)
    with pytest.raises(UnreadableImage, match=TOO_SLOW):
        read_radiograph(rle_bmp(4000))


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_one_is_read(fresh: pytest.MonkeyPatch):
    fresh.setattr(worker, "MEMORY_BYTES", 150 << 20)
    with pytest.raises(UnreadableImage, match=TOO_MUCH_MEMORY):
        read_radiograph(tiff(np.zeros((4000, 4000)), compression="zlib"))
    assert read_radiograph(COSTLY["compressed tiff"]).pixels.shape == NOISE.shape


PARENT = """
import os, sys, time
from cxr.imaging.isolation import pool
process = pool._Worker(0)
print(process._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_their_parent_however_it_ends(end: signal.Signals):
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(end)
    assert _ends(child)


def _ends(pid: int) -> bool:
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        try:
            if status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False
