"""Zips that stay open while their entries are read."""

import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxr.errors import UnreadableImage
from cxr.imaging.files.zip_files import close_kept, kept_open
from cxr.serving.input_files import unpack


def packed(path: Path, content: bytes, count: int = 1) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.png", content + bytes([number]))
    return path


def open_files() -> set[str]:
    links = list(Path("/proc/self/fd").iterdir())
    return {os.readlink(link) for link in links if link.is_symlink()}


@pytest.mark.skipif(sys.platform != "linux", reason="open files are seen in /proc")
def test_a_zip_is_opened_once_and_again_after_a_change(tmp_path: Path):
    path = packed(tmp_path / "a.zip", b"before")
    assert unpack(path, "0.png") == b"before\0"
    assert kept_open(path) is kept_open(path)
    os.replace(packed(tmp_path / "b.zip", b"behind"), path)
    assert unpack(path, "0.png") == b"behind\0"
    assert str(path) in open_files()
    close_kept()
    assert str(path) not in open_files()


def test_threads_get_their_own_entries(tmp_path: Path):
    path = packed(tmp_path / "a.zip", os.urandom(200_000), 200)
    with ThreadPoolExecutor(8) as threads:
        last = list(threads.map(lambda number: unpack(path, f"{number}.png")[-1], range(200)))
    assert last == list(range(200))


def test_a_zip_that_is_gone_or_broken_is_refused(tmp_path: Path):
    path = packed(tmp_path / "a.zip", b"x")
    unpack(path, "0.png")
    path.write_bytes(b"PK no zip")
    for _ in range(2):
        with pytest.raises(UnreadableImage, match="damaged"):
            unpack(path, "0.png")
    path.unlink()
    with pytest.raises(UnreadableImage, match="damaged"):
        unpack(path, "0.png")
