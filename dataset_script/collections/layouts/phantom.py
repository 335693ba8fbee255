"""Synthetic radiographs: `phantom=N` draws N of them, half of them COVID, every tenth patient with two pictures.

Phantoms bring their own split, exact where real collections hold it in expectation, so that small sets work too.
"""

import io
from functools import partial

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cxr.errors import UserError
from cxr.phantom import draw_phantom
from cxr.schema.dataset import PHANTOM
from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections.record import Collection, Record

LEAST = 6
_CYCLE = ("train", "validation", "test", *["train"] * 7, "validation", "test", *["train"] * 6, "validation", "test")
"""Twenty patients: 14 for training, 3 each for validation and test."""


def collect(count: str) -> Collection:
    """Describe `count` phantoms; each is drawn when it is opened.

    Raises:
        UserError: if `count` is no whole number of at least `LEAST`.
    """
    if not count.isdecimal() or int(count) < LEAST:
        raise UserError(f"--source phantom={count}: expected how many to draw, a whole number of at least {LEAST}")
    found = Collection()
    found.records.extend(_record(index) for index in range(int(count)))
    return found


def _record(index: int) -> Record:
    label = COVID if index % 2 else NON_COVID
    patient = _patient(index // 2)
    return Record(
        source=PHANTOM,
        label=label,
        finding="synthetic",
        file=f"{index:06d}.png",
        opener=partial(png, label, index),
        header=header,
        stamp="1",
        patient_id=f"{patient:05d}-{label}",
        split=_CYCLE[patient % len(_CYCLE)],
    )


def _patient(index: int) -> int:
    """The patient of a class's picture: of eleven pictures the last two show one patient."""
    block, place = divmod(index, 11)
    return block * 10 + min(place, 9)


def png(label: int, seed: int) -> bytes:
    """The phantom of this seed and class as a PNG file whose text says view, sex and age."""
    phantom, stream, text = draw_phantom(seed, label), io.BytesIO(), PngInfo()
    for key in ("view", "sex", "age"):
        text.add_text(key, str(getattr(phantom, key)))
    Image.fromarray(phantom.image).save(stream, "PNG", pnginfo=text, compress_level=1)
    return stream.getvalue()


def header(raw: bytes) -> dict:
    """View, sex and age, which are known only once the phantom is drawn."""
    with Image.open(io.BytesIO(raw)) as image:
        return {"view": image.text["view"], "sex": image.text["sex"], "age": float(image.text["age"])}
