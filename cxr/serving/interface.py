"""The page and its API: one upload, one answer, said in words."""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import gradio as gr

from cxr import radiograph
from cxr.cli import UserError
from cxr.serving import on_gpu, pages, uploads
from cxr.serving.answer import Explanation
from cxr.serving.desk import Desk
from cxr.serving.opening import MOST, TOO_LARGE_MARK
from cxr.serving.predictor import Predictor
from cxr.serving.uploads import MAX_BYTES, MAX_FILE_SIZE

CACHE_MINUTES = 10
_BATCHES = 4
"""Uploads that are answered side by side; their pictures take turns."""
_SCRIPT = Path(__file__).with_name("page.js")
_PICK = """element.addEventListener("click", event => {
    const button = event.target.closest("button[data-index]");
    if (button) trigger("click", {index: Number(button.dataset.index)});
});"""
_TERMS = f"""<p>PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit, up to {MAX_FILE_SIZE}; up to {MOST} at a time,
or a zip. Deleted once answered, after {CACHE_MINUTES + 1} minutes at the latest; sent to no other service.</p>"""


class _Desk:
    """What the events of page and API call, all through one predictor."""

    def __init__(self, predictor: Predictor):
        self._explain = on_gpu(predictor.explain)

    def predict(self, file: bytes | None) -> dict[str, Any]:
        """Classify one chest X-ray (PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM; 8 or 16 bit)."""
        return self._explained(file)[0].answer.to_dict()

    def explain(self, file: bytes | None) -> dict[str, Any]:
        """The same with `heatmap`: the class activation map as a base64 PNG (RGBA) to stretch over the picture."""
        explained, xray = self._explained(file)
        return explained.answer.to_dict() | {"heatmap": pages.heat(explained, xray.pixels)}

    def _explained(self, file: bytes | None) -> tuple[Explanation, radiograph.Radiograph]:
        try:
            xray = radiograph.read(_given(file))
            return self._explain(xray), xray
        except UserError as error:
            raise gr.Error(pages.said(str(error)), print_exception=False) from error


def build(predictor: Predictor) -> gr.Blocks:
    """The page for one predictor, with its API: a picture file in, `Answer.to_dict()` out (`/explain`: a map too)."""
    desk = Desk(predictor)
    with _page() as blocks:
        gr.HTML(pages.header(predictor), elem_id="header")
        with gr.Row(equal_height=False, elem_id="columns"):
            with gr.Column(scale=3, min_width=280):
                upload = uploads.files_input(blocks.upload_file_set, label="Chest X-rays", height=150, elem_id="upload")
                gr.HTML(_TERMS, elem_id="terms")
                examples = gr.HTML(pages.examples(desk.examples), js_on_load=_PICK, elem_id="examples")
            with gr.Column(scale=5, min_width=280):
                shown = gr.HTML(pages.waiting(desk.record), elem_id="answer")
                table = gr.HTML(elem_id="table")
        page = {"api_visibility": "private", "show_progress_on": shown, "concurrency_id": "page"}
        once = {"concurrency_limit": _BATCHES, "trigger_mode": "always_last"}
        upload.upload(desk.show_uploads, upload, [shown, table, upload], **page, **once)
        examples.click(desk.show_example, None, [shown, table], **page, **once)
        blocks.load(None, js=_script())
        _api(_Desk(predictor))
    return blocks


def _script() -> str:
    """The page's script, called with the limits that the server keeps."""
    limits = {"bytes": MAX_BYTES, "files": MOST, "mark": TOO_LARGE_MARK.decode()}
    return f"() => ({_SCRIPT.read_text(encoding='utf-8')})({json.dumps(limits)})"


def _api(desk: _Desk) -> None:
    """The endpoints, on components of their own: the page's events answer with HTML, these with JSON."""
    file, result = uploads.file_input(visible=False), gr.JSON(label="Answer", visible=False)
    for name, function in (("predict", desk.predict), ("explain", desk.explain)):
        gr.Button(visible=False).click(function, file, result, api_name=name, concurrency_id="model")


def build_without_model(reason: str, on_space: bool) -> gr.Blocks:
    """The page that says why there is no model, and what to do about it."""
    with _page() as blocks:
        gr.HTML(pages.ways_forward(reason, on_space))
    return blocks


def _page() -> AbstractContextManager[gr.Blocks]:
    return uploads.page(CACHE_MINUTES, title="COVID-19 in chest X-rays", analytics_enabled=False)


def _given(data: bytes | None) -> bytes:
    if data is None:
        raise UserError("no file was given: send one picture")
    return data
