"""Decoding image files to 8-bit gray, against Pillow, format by format."""

import io
from typing import NamedTuple

import numpy as np
from measure import paired_seconds
from PIL import Image

from cxr.imaging.decoders import decode
from cxr.imaging.reader import read_radiograph
from rows import inputs
from rows.record import Figure, Figures, Row, Settings, Target, ratio

_ANSWERED = 2 * 224
"""Pixels along the short side that an answer at 224 px asks a JPEG for, at least."""

_KINDS = {
    "JPEG": ("L", "JPEG", None),
    "JPEG, RGB": ("RGB", "JPEG", None),
    "JPEG, for an answer at 224 px": ("L", "JPEG", _ANSWERED),
    "JPEG, RGB, for an answer at 224 px": ("RGB", "JPEG", _ANSWERED),
    "PNG": ("L", "PNG", None),
    "PNG, RGB": ("RGB", "PNG", None),
    "WEBP": ("RGB", "WEBP", None),
    "TIFF": ("L", "TIFF", None),
    "BMP": ("L", "BMP", None),
    "GIF": ("L", "GIF", None),
}
"""Mode and format of the files and the short side that is asked for, by the name of their target."""

_JPEG, _OTHERS = 0.55, 1.0
_REDUCED = "decoded at a half, a quarter or an eighth of its size; the row of a folder has the difference of answers"


class Sample(NamedTuple):
    """The bytes of an image file."""

    raw: bytes


def measure(settings: Settings) -> Figures:
    """Write the same images in each format, then decode each file both ways in turn."""
    images = inputs.native_images(settings, 3 if settings.quick else 10)
    grays = [read_radiograph(file).pixels for file in images.files]
    return {name: _measure_kind(grays, *kind, settings.rounds, images.words) for name, kind in _KINDS.items()}


def _measure_kind(grays: list[np.ndarray], mode: str, kind: str, side: int | None, rounds: int, words: str) -> Figure:
    samples = [Sample(_encode(pixels, mode, kind)) for pixels in grays]
    ways = {
        "ours": lambda sample: read_radiograph(sample.raw, min_short_side=side, hashed=False).pixels,
        "decoding": lambda sample: decode(sample.raw, side),
        "pillow": lambda sample: _pillow(sample.raw),
    }
    apart = None if side else max(_levels_apart(sample.raw) for sample in samples)
    seconds = paired_seconds(ways, samples, rounds)
    ms = {name: f"{1000 * np.median(taken, axis=0).mean():.1f} ms" for name, taken in seconds.items()}
    return Figure(
        **ratio(seconds["ours"], seconds["pillow"]),
        said=f"{words}, written as {kind} ({mode}): ours {ms['ours']}, Pillow {ms['pillow']}",
        reason=f"decoding takes {ms['decoding']}; the rest: checks, and a process for what may be costly",
        price=_REDUCED if apart is None else f"at most {apart} of 255 gray levels apart",
    )


def _encode(pixels: np.ndarray, mode: str, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind)
    return stream.getvalue()


def _pillow(raw: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(raw)) as image:
        return np.asarray(image.convert("L"))


def _levels_apart(raw: bytes) -> int:
    return int(np.abs(read_radiograph(raw).pixels.astype(int) - _pillow(raw)).max())


ROW = Row(
    "decoding",
    {
        name: Target(f"decode to 8-bit gray, {name}, time", "Pillow", _JPEG if kind == "JPEG" else _OTHERS)
        for name, (_, kind, _) in _KINDS.items()
    },
    measure,
    devices=("cpu",),
)
