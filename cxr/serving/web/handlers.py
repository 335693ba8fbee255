"""What the page's events call: an upload or an example in, HTML out, all through one predictor."""

from collections.abc import Iterator, Sequence

import gradio as gr

from cxr import phantom
from cxr.errors import UnreadableImage, UserError, one_line
from cxr.schema.labels import COVID, NON_COVID
from cxr.serving import model_info, on_gpu
from cxr.serving.answer import Answer
from cxr.serving.batch import Row
from cxr.serving.predictor import Predictor
from cxr.serving.web import pages, table, upload_files
from cxr.serving.web.time_limit import Patience
from cxr.serving.web.upload_files import Upload
from cxr.serving.web.uploads import MAX_FILE_SIZE

_EXAMPLES = (
    (1, COVID, "Synthetic, opacities drawn in"),
    (2, NON_COVID, "Synthetic, no opacities"),
    (3, COVID, "Synthetic, opacities drawn in"),
)

Shown = tuple[str, str, None]
"""What an upload gives the page: the card, the table under it, and None, which empties the upload box.

Never a gradio update of the box: that would build it anew, without what `uploads.files_input` adds to it.
"""


class Desk:
    """Answers visitors' uploads and the examples."""

    def __init__(self, predictor: Predictor, within: Patience):
        self.examples = [(phantom.draw_phantom(seed, label).image, caption) for seed, label, caption in _EXAMPLES]
        self._read = predictor.read
        self._explain = on_gpu(predictor.explain)
        self._within = within
        self.record = model_info.of(predictor)

    def show_uploads(self, given: list[Upload]) -> Iterator[Shown]:
        """The card of one picture, or the table of many as it grows; a file is deleted as soon as it is answered."""
        try:
            pictures = upload_files.pictures(given)
            if len(pictures) == 1:
                yield self._within(self._card, pictures[0].read(MAX_FILE_SIZE), "Your picture"), "", None
            else:
                yield from self._table(pictures)
        except UserError as error:
            yield pages.unreadable(str(error)), "", None
        finally:
            for upload in given:
                upload.path.unlink(missing_ok=True)

    def show_example(self, event: gr.EventData) -> tuple[str, str]:
        """The card of the example whose button was pressed, and no table."""
        pixels, caption = self.examples[event.index]
        try:
            return self._within(self._card, pages.png(pixels), caption), ""
        except UserError as error:
            return pages.unreadable(str(error)), ""

    def _card(self, data: bytes, caption: str) -> str:
        xray = self._read(data)
        return pages.answer(self._explain(xray), xray.pixels, self.record, caption)

    def _table(self, pictures: Sequence[Upload]) -> Iterator[Shown]:
        rows, total = [], len(pictures)
        working = table.working(total)
        yield working, table.rows(rows, total), None
        for picture in pictures:
            rows.append(self._row(picture))
            if not picture.entry:
                picture.path.unlink(missing_ok=True)
            yield working, table.rows(rows, total), None
        yield table.summary(rows, self.record), table.rows(rows, total), None

    def _row(self, picture: Upload) -> Row:
        try:
            return Row(picture, self._within(self._answer, picture))
        except UnreadableImage as error:
            return Row(picture, error=f"the file {error.reason}")
        except UserError as error:
            return Row(picture, error=one_line(error))

    def _answer(self, picture: Upload) -> Answer:
        return self._explain(self._read(picture.read(MAX_FILE_SIZE))).answer
