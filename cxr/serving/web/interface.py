"""The page: uploads in, answers out, said in words; beside it the API."""

import json
from contextlib import AbstractContextManager
from pathlib import Path

import gradio as gr

from cxr.serving.predictor import Predictor
from cxr.serving.web import api, pages, uploads
from cxr.serving.web.handlers import Desk
from cxr.serving.web.time_limit import Patience
from cxr.serving.web.upload_files import MOST, TOO_LARGE_MARK
from cxr.serving.web.uploads import MAX_BYTES, MAX_FILE_SIZE

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


def build(predictor: Predictor) -> gr.Blocks:
    """The page for one predictor, with its API."""
    within = Patience()
    desk = Desk(predictor, within)
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
        api.add(api.Endpoints(predictor, within))
    return blocks


def _script() -> str:
    """The page's script, called with the limits that the server keeps."""
    limits = {"bytes": MAX_BYTES, "files": MOST, "mark": TOO_LARGE_MARK.decode()}
    return f"() => ({_SCRIPT.read_text(encoding='utf-8')})({json.dumps(limits)})"


def build_without_model(reason: str, on_space: bool) -> gr.Blocks:
    """The page that says why there is no model, and what to do about it."""
    with _page() as blocks:
        gr.HTML(pages.ways_forward(reason, on_space))
    return blocks


def _page() -> AbstractContextManager[gr.Blocks]:
    return uploads.page(CACHE_MINUTES, title="COVID-19 in chest X-rays", analytics_enabled=False)
