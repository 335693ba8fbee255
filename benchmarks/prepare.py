"""What preparation does to a file against Pillow's full decode, convert and resize, paired and in one process.

Ours is all of it: read, decode, orient, window, shrink, the hashes, the PNG and its insertion into the store; the
fingerprint of the copy search is timed apart. Pillow's is open, convert to RGB and resize with the same filter to the
same size. Prints the ratio of the summed medians; below 1.0 ours is faster. What memory a whole preparation takes,
`benchmarks/memory.py` measures.

    python benchmarks/prepare.py FOLDER [--image_size 256] [--rounds 5]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from cxr.errors import UnreadableImage
from cxr.imaging import reader
from cxr.imaging.geometry import resized_size
from cxr.patient_key import new_key
from cxr.schema.labels import COVID
from dataset_script.collections.filesystem import Folder
from dataset_script.duplicates.fingerprint import fingerprint
from dataset_script.reading import Settings, read_record
from dataset_script.records import Record
from dataset_script.storage.store import Store


def main(arguments: list[str] | None = None) -> None:
    """Time every picture of a folder both ways, alternately, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures that both can read; others are left aside")
    parser.add_argument("--image_size", type=int, default=256, help="short side in pixels")
    parser.add_argument("--rounds", type=int, default=5, help="how often each file is read")
    options = parser.parse_args(arguments)
    root = Folder(options.folder)
    records = [Record("bench", COVID, "", name, root.ref(name)) for name in root.walk() if root.is_image(name)]
    with tempfile.TemporaryDirectory() as scratch, Store(Path(scratch)) as store:
        ways = {
            "ours": lambda record: _ours(record, options.image_size, store),
            "fingerprint": lambda record: _search(record, options.image_size),
            "pillow": lambda record: _pillow(record, options.image_size),
        }
        seconds = [_time(record, ways, options.rounds) for record in records]
    _print([found for found in seconds if found])


def _time(record: Record, ways: dict[str, Callable], rounds: int) -> dict[str, float] | None:
    """Median seconds of each way, None where one of them cannot read the file."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for _ in range(rounds):
            for name, way in ways.items():
                found[name].append(way(record))
    except (UnreadableImage, OSError):
        return None
    return {name: statistics.median(times) for name, times in found.items()}


def _ours(record: Record, image_size: int, store: Store) -> float:
    start = time.perf_counter()
    store.add(record.file.encode(), None, read_record(record, Settings(image_size, _KEY)))
    store.commit()
    return time.perf_counter() - start


def _search(record: Record, image_size: int) -> float:
    pixels = reader.read_radiograph(record.image.read(), short_side=image_size, patient_key=_KEY).pixels
    start = time.perf_counter()
    fingerprint(pixels)
    return time.perf_counter() - start


def _pillow(record: Record, image_size: int) -> float:
    start = time.perf_counter()
    with Image.open(record.image.place.path / record.image.name) as image:
        image.convert("RGB").resize(resized_size(image.size, image_size), Image.Resampling.BICUBIC)
    return time.perf_counter() - start


def _print(seconds: list[dict[str, float]]) -> None:
    ours, fingerprint, pillow = (sum(found[name] for found in seconds) for name in ("ours", "fingerprint", "pillow"))
    count = len(seconds)
    print(
        f"{count} files; a file: ours {1e3 * (ours - fingerprint) / count:.1f} ms, pillow {1e3 * pillow / count:.1f} ms"
    )
    print(f"the fingerprint for the copy search, apart: {1e3 * fingerprint / count:.1f} ms")
    print(f"ratio ours / pillow: {(ours - fingerprint) / pillow:.2f}")


_KEY = new_key()

if __name__ == "__main__":
    main()
