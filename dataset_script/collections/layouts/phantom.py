"""Synthetic radiographs: `phantom=N` draws N of them, half of them COVID, every tenth patient with two images.

Phantoms bring their own split, exact where real collections hold it in expectation, so that small sets work too.
"""

import io
from dataclasses import dataclass

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cxr.errors import UserError
from cxr.phantom import draw_phantom, phantom_patient
from cxr.schema.dataset import PHANTOM
from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections.filesystem import stamp_of
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import LabelReading
from dataset_script.records import Collection, FileRef, Record

LEAST = 6
_CYCLE = ("train", "validation", "test", *["train"] * 7, "validation", "test", *["train"] * 6, "validation", "test")
"""Twenty patients: 14 for training, 3 each for validation and test."""


@dataclass(frozen=True)
class Phantoms:
    """The phantoms of all seeds; a name is a seed, and odd ones are COVID."""

    def read(self, name: str) -> bytes:
        """The phantom as a PNG file whose text states view, sex and age."""
        seed = int(name)
        phantom, stream, text = draw_phantom(seed, _label(seed)), io.BytesIO(), PngInfo()
        for key in ("view", "sex", "age"):
            text.add_text(key, str(getattr(phantom, key)))
        Image.fromarray(phantom.image).save(stream, "PNG", pnginfo=text, compress_level=1)
        return stream.getvalue()


_DRAWN = {COVID: "opacities drawn in", NON_COVID: "no opacities"}


def collect(count: str, interpretation: Interpretation) -> Collection:
    """Describe `count` phantoms; each is drawn when it is read.

    Raises:
        UserError: if `count` is no whole number of at least `LEAST`.
    """
    if not count.isdecimal() or int(count) < LEAST:
        raise UserError(f"--source phantom={count}: expected how many to draw, a whole number of at least {LEAST}")
    collection = Collection()
    for seed in range(int(count)):
        record = _record(seed)
        interpretation.label(PHANTOM, _DRAWN[record.label], LabelReading(record.label))
        collection.add(record)
    return collection


def _record(seed: int) -> Record:
    patient, (view, sex, age) = _patient(seed // 2), phantom_patient(seed)
    return Record(
        source=PHANTOM,
        label=_label(seed),
        finding="synthetic",
        file=f"{seed:06d}.png",
        image=FileRef(Phantoms(), str(seed), stamp_of(seed)),
        patient_id=f"{patient:05d}-{_label(seed)}",
        view=view,
        sex=sex,
        age=float(age),
        split=_CYCLE[patient % len(_CYCLE)],
    )


def _label(seed: int) -> int:
    return COVID if seed % 2 else NON_COVID


def _patient(index: int) -> int:
    """The patient of a class's image: of eleven images the last two show one patient."""
    block, place = divmod(index, 11)
    return block * 10 + min(place, 9)
