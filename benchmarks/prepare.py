"""What preparation does to a file against Pillow's decode, convert and resize, paired and in one process.

Ours is everything: read, decode, orient, window, resize, hash, encode as PNG and store. The fingerprint for the search
for near-duplicates is part of it and timed once more on its own; it is subtracted. Pillow's is open, convert to RGB and
resize with the same filter to the same size. Prints the ratio of the summed medians; below 1.0 ours is faster.
`benchmarks/memory.py` measures the memory of whole preparations.

    python benchmarks/prepare.py FOLDER [--image_size 256] [--rounds 5]
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import make_parser, median_seconds
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


class Sample(NamedTuple):
    """An image file, and its pixels uint8 (H, W) after resizing."""

    record: Record
    path: Path
    pixels: np.ndarray


def main(arguments: list[str] | None = None) -> None:
    """Time every image of a folder both ways, in alternation, and print the ratio."""
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, help="images that both can read; others are skipped")
    parser.add_argument("--image_size", type=int, default=256, help="short side in pixels (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each file is read (%(default)s)")
    options = parser.parse_args(arguments)
    settings = Settings(options.image_size, new_key(), code="")
    with tempfile.TemporaryDirectory() as scratch, Store(Path(scratch)) as store:
        ways: dict[str, Callable[[Sample], None]] = {
            "ours": lambda sample: _read_and_store(sample.record, settings, store),
            "fingerprint": lambda sample: fingerprint(sample.pixels),
            "pillow": lambda sample: _resize_with_pillow(sample.path, options.image_size),
        }
        samples = _readable(options.folder, settings)
        seconds = {name: times.sum() for name, times in median_seconds(ways, samples, options.rounds).items()}
    ours = seconds["ours"] - seconds["fingerprint"]
    each = {name: f"{1000 * total / len(samples):.3f} ms" for name, total in {**seconds, "ours": ours}.items()}
    print(f"{len(samples)} files; per file: ours {each['ours']}, pillow {each['pillow']}")
    print(f"the fingerprint for the duplicate search, on its own: {each['fingerprint']}")
    print(f"ratio ours / pillow: {ours / seconds['pillow']:.3f}")


def _readable(folder: Path, settings: Settings) -> list[Sample]:
    """The images of a folder that can be read both ways."""
    collection = Folder(folder)
    samples = []
    for name in filter(collection.is_image, collection.walk()):
        record = Record("bench", COVID, "", name, collection.ref(name))
        try:
            _resize_with_pillow(folder / name, settings.image_size)
            read = reader.read_radiograph(
                record.image.read(), short_side=settings.image_size, patient_key=settings.patient_key
            )
        except (UnreadableImage, OSError):
            continue
        samples.append(Sample(record, folder / name, read.pixels))
    return samples


def _read_and_store(record: Record, settings: Settings, store: Store) -> None:
    store.add(record.file.encode(), None, read_record(record, settings))
    store.commit()


def _resize_with_pillow(path: Path, image_size: int) -> None:
    with Image.open(path) as image:
        image.convert("RGB").resize(resized_size(image.size, image_size), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    main()
