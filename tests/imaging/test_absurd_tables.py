"""TIFFs and zips whose tables claim what no program writes are refused before decoding, through `predict.py`."""

import csv
import io
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from deep_files import tiff
from support import encode
from tiny import save_tiny

import predict
from cxr.imaging.files.zip_files import ABSURD_ZIP, DAMAGED_ZIP, MAX_ENTRIES, too_many
from cxr.imaging.formats.tiff_page import TOO_MANY_SEGMENTS
from cxr.imaging.limits import DAMAGED
from cxr.phantom import draw_phantom
from dataset_script.__main__ import main as prepare

GRAY = np.ascontiguousarray(draw_phantom(3, 1).image[::4, ::4])
HEIGHT, WIDTH = GRAY.shape
MOST_SECONDS = 60
"""For all of them together, on a busy machine."""

STRIP_OFFSETS, ROWS, STRIP_BYTES, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES = 273, 278, 279, 322, 323, 324, 325


def directory(bits: int, height: int = HEIGHT, width: int = WIDTH, **tables: object) -> bytes:
    """A TIFF of one directory and no pixels; a table is a number, or the bytes of many."""
    tags = {256: width, 257: height, 258: bits, 259: tables.pop("compression", 1), 262: 1, 277: 1}
    tags |= {int(name.removeprefix("t")): value for name, value in tables.items()}
    entries, behind = b"", b""
    start = 8 + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        raw = value if isinstance(value, bytes) else struct.pack("<I", value)
        entries += struct.pack("<HHI", tag, 4, len(raw) // 4)
        entries += raw if len(raw) == 4 else struct.pack("<I", start + len(behind))
        behind += b"" if len(raw) == 4 else raw
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + behind


def many(count: int, value: int = 8) -> bytes:
    return count * struct.pack("<I", value)


def tables(bits: int) -> dict[str, bytes]:
    pixels = GRAY.tobytes() * (bits // 8)
    files = {}
    for count in (1_500, 100_000, 1_000_000):
        strips, tiles = {"t273": many(count), "t279": many(count, 9)}, {"t324": many(count), "t325": many(count, 9)}
        files[f"strips-{count}"] = directory(bits, t278=HEIGHT, **strips) + pixels
        files[f"offsets-{count}"] = directory(bits, t278=HEIGHT, **strips | {"t279": 9}) + pixels
        files[f"byte-counts-{count}"] = directory(bits, t278=HEIGHT, **strips | {"t273": 8}) + pixels
        files[f"tiles-{count}"] = directory(bits, t322=512, t323=512, **tiles) + pixels
        files[f"packed-{count}"] = directory(bits, compression=5, t278=HEIGHT, **strips) + pixels
    files["rows"] = directory(bits, 10_000_000, 9, t278=1, t273=many(500), t279=many(500, 9))
    files["small-tiles"] = directory(bits, 4000, 4000, t322=1, t323=1, t324=many(500), t325=many(500))
    return files


def lengths(bits: int) -> dict[str, bytes]:
    pixels, files = GRAY.tobytes() * (bits // 8), {}
    for size in (1 << 20, 1 << 26, 0x7FFFFFFF, 0xFFFFFFFF):
        files[f"strip-bytes-{size}"] = directory(bits, t278=HEIGHT, t273=200, t279=size) + pixels
        files[f"tile-bytes-{size}"] = directory(bits, t322=512, t323=512, t324=200, t325=size) + pixels
    return files


ABSURD_TIFFS = {
    f"{name}-{bits}.tif": (raw, reason)
    for bits in (8, 16)
    for made, reason in ((tables, TOO_MANY_SEGMENTS), (lengths, DAMAGED))
    for name, raw in made(bits).items()
}


def honest_tiffs() -> dict[str, bytes]:
    deep, colour = GRAY.astype(np.uint16) * 257, np.stack([GRAY] * 3)
    return {
        "row-strips.tif": tiff(GRAY, rowsperstrip=1),
        "row-strips-16.tif": tiff(deep, rowsperstrip=1, compression="zlib"),
        "tiles.tif": tiff(GRAY, tile=(16, 16)),
        "tiles-16.tif": tiff(deep, tile=(16, 16), compression="zlib"),
        "planes.tif": tiff(colour, photometric="rgb", planarconfig="separate", rowsperstrip=1),
        "big.tif": tiff(deep, bigtiff=True),
        "pillow.tif": encode(GRAY, "TIFF", compression="tiff_lzw"),
    }


def zipped(**files: bytes) -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, raw in files.items():
            archive.writestr(f"{name}.png", raw)
    return bytearray(stream.getvalue())


def listed(count: int, name: bytes = b"a.png", extra: bytes = b"") -> bytes:
    """A central directory of `count` entries and nothing else."""
    head = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, len(name), len(extra), 0, 0, 0, 0, 0)
    return ended(count * (head + name + extra), count)


def ended(central: bytes, count: int, size: int | None = None, before: bytes = b"") -> bytes:
    length = len(central) if size is None else size
    return before + central + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[min(count, 0xFFFF)] * 2, length, 0, 0)


def ended_64(count: int, size: int, central: bytes) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(central), 1)
    return ended(central + record + locator, 0xFFFF, 0xFFFFFFFF)


def patched(at: int, layout: str, *values: int) -> bytes:
    """An honest zip with other values in the end of its directory."""
    raw = zipped(a=encode(GRAY))
    struct.pack_into(layout, raw, len(raw) + at, *values)
    return bytes(raw)


def edited(at: int, layout: str, value: int) -> bytes:
    """An honest zip with another value in its only entry."""
    raw = zipped(a=encode(GRAY))
    struct.pack_into(layout, raw, raw.rindex(b"PK\1\2") + at, value)
    return bytes(raw)


ABSURD_ZIPS = {
    "many": (listed(MAX_ENTRIES + 1), too_many(MAX_ENTRIES)),
    "many-nameless": (listed(MAX_ENTRIES + 1, b""), too_many(MAX_ENTRIES)),
    "more": (listed(3_000_000, b""), ABSURD_ZIP),
    "fewer-said": (ended(listed(MAX_ENTRIES + 9)[:-22], 5), too_many(MAX_ENTRIES)),
    "none-said": (ended(listed(MAX_ENTRIES + 9)[:-22], 0), too_many(MAX_ENTRIES)),
    "long-extras": (listed(200, extra=bytes(65_000)), ABSURD_ZIP),
    "longer-extras": (listed(2_000, extra=bytes(65_000)), ABSURD_ZIP),
    "long-names": (listed(300, b"n" * 60_000), ABSURD_ZIP),
    "bytes": (ended(bytes(1 << 20), 1), ABSURD_ZIP),
    **{f"count-{count}": (patched(-14, "<2H", count, count), DAMAGED_ZIP) for count in (2, 255, 0xFFFF)},
    **{
        f"size-{size}": (patched(-10, "<L", size), DAMAGED_ZIP)
        for size in (0, 1, 46, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
    },
    **{
        f"64-{count}-{size}": (ended_64(count, size, listed(2)[:-22]), DAMAGED_ZIP)
        for count, size in ((1 << 40, 102), (1 << 63, 102), (2, 1 << 40), (2, 1 << 62), (3, 102))
    },
    "version": (edited(6, "<H", 99), DAMAGED_ZIP),
    "no-utf8": (edited(8, "<H", 0x800)[:-27] + b"\xff" + edited(8, "<H", 0x800)[-26:], DAMAGED_ZIP),
    "name-beyond": (edited(28, "<H", 0xFFFF), None),
    "extra-beyond": (edited(30, "<H", 0xFFFF), None),
    "comment-beyond": (edited(32, "<H", 0xFFFF), None),
    "text": (b"no zip", DAMAGED_ZIP),
    "nameless": (listed(3, b""), None),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What `predict.py --csv` says of each file, by its name."""
    folder = tmp_path_factory.mktemp("files")
    files = {name: raw for name, (raw, _) in ABSURD_TIFFS.items()} | honest_tiffs()
    files |= {f"{name}.zip": raw for name, (raw, _) in ABSURD_ZIPS.items()}
    files["honest.zip"] = bytes(zipped(a=encode(GRAY), b=encode(GRAY[:, ::-1])))
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    save_tiny(folder / "model")
    start = time.monotonic()
    predict.main(["--model", str(folder / "model"), "--csv", str(folder / "out"), *(str(folder / n) for n in files)])
    assert time.monotonic() - start < MOST_SECONDS
    with (folder / "out").open(encoding="utf-8", newline="") as stream:
        return {row["file"].removeprefix(f"{folder}/"): row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("name", ABSURD_TIFFS)
def test_absurd_tables_of_strips_and_tiles_are_refused(rows: dict[str, dict[str, str]], name: str):
    assert ABSURD_TIFFS[name][1] in rows[name]["error"]


@pytest.mark.parametrize("name", honest_tiffs())
def test_honest_tables_are_read(rows: dict[str, dict[str, str]], name: str):
    assert rows[name]["verdict"]


@pytest.mark.parametrize("name", [name for name, (_, reason) in ABSURD_ZIPS.items() if reason])
def test_absurd_zips_are_one_refused_file(rows: dict[str, dict[str, str]], name: str):
    assert ABSURD_ZIPS[name][1] in rows[f"{name}.zip"]["error"]


def test_an_honest_zip_is_its_images(rows: dict[str, dict[str, str]]):
    assert all(rows[f"honest.zip/{name}.png"]["verdict"] for name in "ab")


@pytest.mark.parametrize("name", ABSURD_ZIPS)
def test_absurd_zips_end_a_preparation_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "raw.zip"
    path.write_bytes(ABSURD_ZIPS[name][0])
    assert prepare(["--source", f"folder={path}", "--out", str(tmp_path / "out"), "--no_audit"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert (ABSURD_ZIPS[name][1] or "") in errors[0]
