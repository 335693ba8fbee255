"""The page and its API: one upload, one answer, said in words."""

from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like

from cxr import phantom, radiograph
from cxr.cli import UserError
from cxr.labels import COVID, NON_COVID
from cxr.serving import on_gpu, pages
from cxr.serving.answer import Explanation
from cxr.serving.predictor import Predictor

CACHE_MINUTES = 10
MAX_FILE_SIZE = "50 MB"
_LIVE = """() => {
    const answer = document.getElementById("answer");
    answer.setAttribute("role", "status");
    answer.setAttribute("aria-live", "polite");
    answer.setAttribute("aria-label", "Answer");
}"""
_PICK = """element.addEventListener("click", event => {
    const button = event.target.closest("button[data-index]");
    if (button) trigger("click", {index: Number(button.dataset.index)});
});"""
_EXAMPLES = (
    (1, COVID, "Synthetic, opacities drawn in"),
    (2, NON_COVID, "Synthetic, no opacities"),
    (3, COVID, "Synthetic, opacities drawn in"),
)
_TERMS = f"""<p>PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit, up to {MAX_FILE_SIZE}. Deleted after at most
{2 * CACHE_MINUTES} minutes, sent to no other service.</p>"""


class _Desk:
    """What the events of page and API call, all through one predictor."""

    def __init__(self, predictor: Predictor):
        self.headline = predictor.headline
        self.examples = [(phantom.draw(seed, label).image, caption) for seed, label, caption in _EXAMPLES]
        self._read = predictor.read
        self._explain = on_gpu(predictor.explain)

    def show_upload(self, data: bytes | None) -> tuple[str, None]:
        """The card of an upload; the None empties the upload box for the next picture."""
        try:
            return self._card(_given(data), "Your picture"), None
        except UserError as error:
            return pages.unreadable(str(error)), None

    def show_example(self, event: gr.EventData) -> str:
        """The card of the example whose button was pressed."""
        pixels, caption = self.examples[event.index]
        return self._card(pages.png(pixels), caption)

    def predict(self, file: bytes | None) -> dict[str, Any]:
        """Classify one chest X-ray (PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM; 8 or 16 bit)."""
        return self._explained(file)[0].answer.to_dict()

    def explain(self, file: bytes | None) -> dict[str, Any]:
        """The same with `heatmap`: the class activation map as a base64 PNG (RGBA) to stretch over the picture."""
        explained, xray = self._explained(file)
        return explained.answer.to_dict() | {"heatmap": pages.heat(explained, xray.pixels)}

    def _explained(self, file: bytes | None) -> tuple[Explanation, radiograph.Radiograph]:
        try:
            xray = self._read(_given(file))
            return self._explain(xray), xray
        except UserError as error:
            raise gr.Error(pages.said(str(error)), print_exception=False) from error

    def _card(self, data: bytes, caption: str) -> str:
        xray = self._read(data)
        return pages.answer(self._explain(xray), xray.pixels, self.headline, caption)


def build(predictor: Predictor) -> gr.Blocks:
    """The page for one predictor, with its API: a picture file in, `Answer.to_dict()` out (`/explain`: a map too)."""
    desk = _Desk(predictor)
    with _blocks() as blocks:
        gr.HTML(pages.header(predictor), elem_id="header")
        with gr.Row(equal_height=False, elem_id="columns"):
            with gr.Column(scale=2, min_width=280):
                upload = _file_input(height=190, elem_id="upload")
                gr.HTML(_TERMS, elem_id="terms")
                examples = gr.HTML(pages.examples(desk.examples), js_on_load=_PICK, elem_id="examples")
            with gr.Column(scale=3, min_width=280):
                shown = gr.HTML(pages.waiting(), elem_id="answer")
        page = {"api_visibility": "private", "show_progress_on": shown, "concurrency_id": "model"}
        upload.upload(desk.show_upload, upload, [shown, upload], **page)
        examples.click(desk.show_example, None, shown, **page)
        blocks.load(None, js=_LIVE)
        _api(desk)
    return blocks


def _api(desk: _Desk) -> None:
    """The endpoints, on components of their own: the page's events answer with HTML, these with JSON."""
    file, result = _file_input(visible=False), gr.JSON(label="Answer", visible=False)
    for name, function in (("predict", desk.predict), ("explain", desk.explain)):
        gr.Button(visible=False).click(function, file, result, api_name=name, concurrency_id="model")


def build_without_model(reason: str, on_space: bool) -> gr.Blocks:
    """The page that says why there is no model, and what to do about it."""
    with _blocks() as blocks:
        gr.HTML(pages.ways_forward(reason, on_space))
    return blocks


def _blocks() -> gr.Blocks:
    cache = (60 * CACHE_MINUTES, 60 * CACHE_MINUTES)
    return gr.Blocks(title="COVID-19 in chest X-rays", analytics_enabled=False, delete_cache=cache)


def _file_input(**options: Any) -> gr.File:
    """A file component that hands over the bytes as they came and takes no URL, so the server fetches nothing.

    `gr.Image` would turn 16-bit pictures white and meet a text file with a stack trace.
    """
    component = gr.File(type="binary", label="Chest X-ray", **options)
    move = component.async_move_resource_to_block_cache

    async def uploads_only(path: Any) -> str | None:
        if is_http_url_like(str(path)):
            raise gr.Error("Send the file itself: addresses are not fetched.", print_exception=False)
        return await move(path)

    component.async_move_resource_to_block_cache = uploads_only
    return component


def _given(data: bytes | None) -> bytes:
    if data is None:
        raise UserError("no file was given: send one picture")
    return data
