"""What the page's events call: an upload or an example in, HTML out."""

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from cxr import phantom
from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from cxr.serving import on_gpu
from cxr.serving.answer import FileAnswer
from cxr.serving.heatmap import png
from cxr.serving.model_info import ModelInfo
from cxr.serving.predictor import Predictor
from cxr.serving.shift import shift_sentence
from cxr.serving.web import pages, table
from cxr.serving.web.answer_card import answer_card
from cxr.serving.web.protection.limits import Turns
from cxr.serving.web.protection.uploads import Upload, images_in

_EXAMPLES = (
    (1, COVID, "Synthetic, opacities drawn in"),
    (2, NON_COVID, "Synthetic, no opacities"),
    (3, COVID, "Synthetic, opacities drawn in"),
)
"""Seed, class and caption."""

PageUpdate = tuple[str, str, None]
"""Answer card, table, and None, which empties the upload box.

A gradio update of the box would create a new component, which fetches addresses (see gradio_patches.py).
"""


class Handlers:
    """Answers uploads and examples for the page."""

    def __init__(self, predictor: Predictor, turns: Turns):
        self.model_info = ModelInfo.of(predictor)
        self.examples = [(phantom.draw_phantom(seed, label).image, caption) for seed, label, caption in _EXAMPLES]
        self._explain = on_gpu(predictor.explain)
        self._validation = predictor.validation_distribution
        self._turns = turns

    def show_uploads(self, files: list[dict[str, Any]] | None) -> Iterator[PageUpdate]:
        """The card of one image, or the growing table of several; takes `gradio.FileData` as dictionaries."""
        yield from self.answer_uploads([Upload.from_gradio(file) for file in files or ()])

    def answer_uploads(self, uploads: Sequence[Upload]) -> Iterator[PageUpdate]:
        """The same for uploads; each file is deleted as soon as it is answered."""
        try:
            images = images_in(uploads)
            if len(images) == 1:
                yield self._card(images[0].read(), "Your image"), "", None
            else:
                yield from self._table(images)
        except UserError as error:
            yield pages.no_answer(str(error)), "", None
        finally:
            for upload in uploads:
                upload.delete()

    def show_example(self, event: gr.EventData) -> tuple[str, str]:
        """The card of the example whose button was pressed, and no table."""
        pixels, caption = self.examples[event.index]
        try:
            return self._card(png(pixels), caption), ""
        except UserError as error:
            return pages.no_answer(str(error)), ""

    def _card(self, content: bytes, caption: str) -> str:
        return self._turns(
            lambda xray: answer_card(self._explain(xray), xray.pixels, self.model_info, caption), content
        )

    def _table(self, images: Sequence[Upload]) -> Iterator[PageUpdate]:
        answers: list[FileAnswer] = []
        total = len(images)
        working = table.working(total)
        yield working, table.rows(answers, total), None
        for image in images:
            answers.append(self._answer_file(image))
            if not image.entry:
                image.delete()
            yield working, table.rows(answers, total), None
        shift = shift_sentence(self._validation, [row.answer for row in answers])
        yield table.summary(answers, self.model_info, shift), table.rows(answers, total), None

    def _answer_file(self, image: Upload) -> FileAnswer:
        try:
            return FileAnswer(str(image), self._turns(lambda xray: self._explain(xray).answer, image.read()))
        except UserError as error:
            return FileAnswer.failed(str(image), error)
