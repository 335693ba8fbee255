"""Images and models that several rows are measured on; all of them are the same in every run."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import phantoms
from PIL import Image
from transformers import ResNetConfig, ResNetForImageClassification, set_seed

from cxr.imaging.preprocess import make_processor
from cxr.network.model import save_stand_in_backbone
from cxr.schema.labels import COVID, ID2LABEL, LABEL2ID, NON_COVID
from rows.record import Settings

UNTRAINED = "not measured: random weights; name a trained model with --model"
_TINY = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]}
_NATIVE_SIDE = 2048
_NOISE = 3.0
"""Standard deviation in gray levels: without it an enlarged phantom is decoded faster than any real image."""


class Images(NamedTuple):
    """Image files with their classes, and what they are in words."""

    files: list[Path]
    labels: list[int]
    words: str


def input_size(settings: Settings) -> int:
    """Side of the network's input in pixels."""
    return 32 if settings.quick else 224


def network_config(settings: Settings) -> ResNetConfig:
    """A ResNet-50 for two classes; a tiny one for quick runs."""
    tiny = _TINY if settings.quick else {}
    return ResNetConfig(id2label=ID2LABEL, label2id=LABEL2ID, operating_threshold=0.5, **tiny)


def backbone(settings: Settings) -> str:
    """A folder with random weights to train from."""
    folder = settings.scratch / "backbone"
    if not folder.exists():
        save_stand_in_backbone(folder, ResNetConfig(num_labels=10, **_TINY) if settings.quick else None)
    return str(folder)


def published_model(settings: Settings) -> str:
    """The model that answers: the one that was named, or a stand-in with random weights."""
    if settings.model:
        return settings.model
    folder = settings.scratch / "model"
    set_seed(0)
    ResNetForImageClassification(network_config(settings)).save_pretrained(folder)
    make_processor(input_size(settings)).save_pretrained(folder)
    return str(folder)


def native_images(settings: Settings, count: int) -> Images:
    """Radiographs at the size at which they were published, or phantoms enlarged to that."""
    folder = settings.data / "native" if settings.data else None
    if folder is None or not folder.is_dir():
        return native_phantoms(settings, count)
    files = sorted(path for path in folder.rglob("*") if path.is_file())[:count]
    return Images(files, [], f"{len(files)} real radiographs at native size")


def native_phantoms(settings: Settings, count: int) -> Images:
    """Phantoms enlarged to 2048 pixels, with noise; JPEG and PNG in turns."""
    side, rng = (256 if settings.quick else _NATIVE_SIDE), np.random.default_rng(0)

    def enlarged(pixels: np.ndarray) -> np.ndarray:
        large = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC), np.float32)
        return (large + _NOISE * rng.standard_normal(large.shape, np.float32)).clip(0, 255).astype(np.uint8)

    images = [enlarged(pixels) for pixels in phantoms(count)]
    words = f"{count} phantoms enlarged to {side} px, half JPEG, half PNG"
    return _saved(images, settings.scratch / "native", (".jpg", ".png"), words)


def clinic_images(settings: Settings, count: int) -> Images:
    """Real radiographs of both classes at 384 px, or phantoms."""
    found = {}
    if settings.data:
        places = {NON_COVID: "nih", COVID: "cxnet"}
        found = {
            path: label for label, name in places.items() for path in sorted((settings.data / name).rglob("*.jp*g"))
        }
    if len(found) < count:
        images = list(phantoms(count))
        return _saved(images, settings.scratch / "clinic", (".png",), f"{count} phantoms")
    chosen = np.random.default_rng(0).permutation(len(found))[:count]
    files = [list(found)[index] for index in chosen]
    return Images(files, [found[file] for file in files], f"{count} real radiographs of 384 px")


def _saved(images: list[np.ndarray], folder: Path, suffixes: tuple[str, ...], words: str) -> Images:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:04d}{suffixes[number // 2 % len(suffixes)]}" for number in range(len(images))]
    for pixels, file in zip(images, files, strict=True):
        Image.fromarray(pixels).save(file)
    return Images(files, [number % 2 for number in range(len(images))], words)
