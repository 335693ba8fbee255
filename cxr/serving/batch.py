"""Many pictures at a terminal: ask about each, and let no bad file end the run."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from cxr.errors import UnreadableImage, UserError, one_line
from cxr.imaging import reader
from cxr.parallel import map_in_order
from cxr.serving import heatmap
from cxr.serving.answer import Answer, Explanation
from cxr.serving.input_files import Picture
from cxr.serving.predictor import Predictor

COLUMNS = ("file", *Answer.__dataclass_fields__, "heatmap", "error")
_LONGEST = 1024


@dataclass(frozen=True)
class Row:
    """One file and what came of it: an answer, or the reason why there is none; `heatmap` is the file written."""

    file: Picture
    answer: Answer | None = None
    error: str = ""
    heatmap: str = ""

    def to_dict(self) -> dict[str, object]:
        """The answer's fields with the file's name, or the name with the error."""
        return self._with(self.answer.to_dict() if self.answer else {"error": self.error})

    def to_row(self) -> dict[str, object]:
        """The same with one value a column."""
        return self._with(self.answer.to_row() if self.answer else {"error": self.error})

    def _with(self, fields: dict[str, object]) -> dict[str, object]:
        return {"file": str(self.file), **fields, **({"heatmap": self.heatmap} if self.heatmap else {})}

    @property
    def sentence(self) -> str:
        """One line for a reader: verdict, numbers, reason, warning, model, revision and disclaimer."""
        if not self.answer:
            return f"{self.file}: no answer: {self.error}"
        given = self.answer
        model = f"Model {given.model_id}@{given.short_revision}."
        said = (given.sentence, given.warning, model, given.disclaimer, given.notice)
        return f"{self.file}: {' '.join(filter(None, said))}"


def answers(predictor: Predictor, pictures: Iterable[Picture], heatmaps: Path | None = None) -> Iterator[Row]:
    """Ask about picture after picture; with a folder, leave there the map over each that the gate passed.

    The rows come in the order of the pictures. Three times as many as the predictor answers at once are worked on, so
    that some are decoded while the network is busy with others.
    """
    at_once = 3 * predictor.at_once
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        row = partial(_row, predictor, heatmaps)
        yield from map_in_order(threads, row, enumerate(pictures, start=1), 2 * at_once)


def _row(predictor: Predictor, heatmaps: Path | None, numbered: tuple[int, Picture]) -> Row:
    number, picture = numbered
    try:
        xray = predictor.read(picture.source)
        explained = predictor.explain(xray)
        drawn = heatmaps and explained.answer.where
        name = _draw(explained, xray, heatmaps / f"{number:04d}-{picture.stem}.png") if drawn else ""
        return Row(picture, explained.answer, heatmap=name)
    except UnreadableImage as error:
        return Row(picture, error=f"the file {error.reason}")
    except UserError as error:
        return Row(picture, error=one_line(error))


def _draw(explained: Explanation, xray: reader.Radiograph, path: Path) -> str:
    """Write the X-ray with its map over it, at most 1024 pixels wide and high; returns the file's path.

    Raises:
        UserError: if it cannot be written, as when the disk is full.
    """
    size = heatmap.preview(xray.pixels.shape[::-1], _LONGEST)
    pixels = Image.fromarray(xray.pixels).resize(size, Image.Resampling.LANCZOS)
    try:
        heatmap.blended(pixels, explained.laid(size)).save(path)
    except OSError as error:
        raise UserError(f"--heatmaps: {path} cannot be written: {error.strerror}") from error
    return str(path)
