"""Many images from the terminal: one answer per file, a CSV table, and heatmaps in a folder."""

import csv
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cxr.errors import UserError
from cxr.imaging.reader import Radiograph
from cxr.parallel import map_in_order
from cxr.serving import heatmap
from cxr.serving.answer import COLUMNS, Explanation, FileAnswer
from cxr.serving.input_files import ImageFile
from cxr.serving.predictor import Predictor

_MAX_HEATMAP_SIDE = 1024
_MAX_STEM_BYTES = 200


def answer_files(
    predictor: Predictor, files: Iterable[ImageFile], heatmap_folder: Path | None = None
) -> Iterator[FileAnswer]:
    """Answer each file, in the order of the files; a file that cannot be read gets its error and the run goes on.

    With a folder, each image that the gate passed is written there with its heatmap. Three times as many files as the
    predictor answers concurrently are in work, so that some are decoded while the network is busy with others.
    """
    in_work = 3 * predictor.concurrency
    with ThreadPoolExecutor(in_work, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        answer = partial(_answer_file, predictor, heatmap_folder)
        yield from map_in_order(threads, answer, enumerate(files, start=1), 2 * in_work)


def _answer_file(predictor: Predictor, heatmap_folder: Path | None, numbered: tuple[int, ImageFile]) -> FileAnswer:
    number, file = numbered
    try:
        xray = predictor.read(file.source)
        explanation = predictor.explain(xray)
        heatmap_path = ""
        if heatmap_folder and explanation.answer.gate_passed is not False:
            heatmap_path = str(heatmap_folder / f"{number:04d}-{_short(file.stem)}.png")
            _write_heatmap(explanation, xray, predictor.heatmap_words, heatmap_path)
        return FileAnswer(str(file), explanation.answer, heatmap=heatmap_path)
    except UserError as error:
        return FileAnswer.failed(str(file), error)


def _short(stem: str) -> str:
    """A name that leaves room for a number and a suffix in the 255 bytes that a file's name may have."""
    return os.fsencode(stem)[:_MAX_STEM_BYTES].decode("utf-8", "ignore")


def _write_heatmap(explanation: Explanation, xray: Radiograph, words: str, path: str) -> None:
    """Write the X-ray with its heatmap, at most 1024 pixels wide and high; `words` go with it as the PNG's description.

    Raises:
        UserError: if the file cannot be written, as when the disk is full.
    """
    height, width = xray.pixels.shape
    size = heatmap.shrunk_size((width, height), _MAX_HEATMAP_SIDE)
    image = Image.fromarray(xray.pixels).resize(size, Image.Resampling.LANCZOS)
    described = PngInfo()
    described.add_itxt("Description", words)
    try:
        heatmap.blended(image, explanation.net_evidence_over_image(size)).save(path, pnginfo=described)
    except OSError as error:
        raise UserError(f"--heatmaps: {path} cannot be written: {error.strerror}") from error


def start_table(path: str) -> None:
    """Write the CSV's header; called before the model loads, so that a wrong path is reported at once.

    Raises:
        UserError: if the file cannot be written.
    """
    try:
        with open(path, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow(COLUMNS)
    except OSError as error:
        raise UserError(f"--csv {path} cannot be written: {error.strerror}") from error


def append_to_table(path: str, answer: FileAnswer) -> None:
    """Add one row to the CSV; the file is closed each time, so that an interrupted run leaves a complete table.

    Raises:
        UserError: if it cannot be written, as when the disk is full; the table then ends with its last whole row.
    """
    try:
        size = os.path.getsize(path)
        try:
            with open(path, "a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, COLUMNS).writerow(answer.to_row())
        except OSError:
            os.truncate(path, size)
            raise
    except OSError as error:
        raise UserError(f"--csv {path} cannot be written: {error.strerror}") from error
