"""The page: layout, events, theme and script; the API is part of it."""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from cxr.serving.predictor import Predictor
from cxr.serving.web import api, pages
from cxr.serving.web.handlers import Handlers
from cxr.serving.web.protection import limits, uploads
from cxr.serving.web.protection.gradio_patches import refuse_addresses
from cxr.serving.web.protection.limits import Turns

STYLE = Path(__file__).with_name("style.css")
_SCRIPT = Path(__file__).with_name("page.js")

_CLICKED_EXAMPLE = """element.addEventListener("click", event => {
    const button = event.target.closest("button[data-index]");
    if (button) trigger("click", {index: Number(button.dataset.index)});
});"""

_LONGEST_MINUTES = (uploads.KEPT_SECONDS + uploads.CHECK_SECONDS) // 60
_TERMS = f"""<p>PNG, JPEG, WEBP, TIFF, BMP, GIF or DICOM, 8 or 16 bit, up to {limits.MAX_FILE_SIZE} each; up to
{limits.MAX_IMAGES} images at a time, or a zip. Files are deleted once they are answered, and within {_LONGEST_MINUTES}
minutes at the latest; they are sent to no other service.</p>"""

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def build(predictor: Predictor) -> gr.Blocks:
    """The page for one predictor, with its API.

    Raises:
        UserError: if the installed gradio lacks what this app replaces in it.
    """
    turns = Turns(predictor.read)
    handlers = Handlers(predictor, turns)
    with _page() as blocks:
        gr.HTML(pages.header(predictor), elem_id="header")
        with gr.Row(equal_height=False, elem_id="columns"):
            with gr.Column(scale=3, min_width=280):
                box = gr.File(label="Chest X-rays", file_count="multiple", height=150, elem_id="upload")
                gr.HTML(_TERMS, elem_id="terms")
                examples = gr.HTML(pages.examples(handlers.examples), js_on_load=_CLICKED_EXAMPLE, elem_id="examples")
            with gr.Column(scale=5, min_width=280):
                answer = gr.HTML(pages.waiting(handlers.model_info), elem_id="answer")
                table = gr.HTML(elem_id="table")
        refuse_addresses(box)
        options: dict[str, Any] = {
            "api_visibility": "private",
            "show_progress_on": answer,
            "concurrency_id": "page",
            "concurrency_limit": limits.CONCURRENT_REQUESTS,
            "trigger_mode": "always_last",
        }
        # Without preprocessing, `show_uploads` also gets the visitor's file names, and gradio writes no further files.
        box.upload(handlers.show_uploads, box, [answer, table, box], preprocess=False, **options)
        examples.click(handlers.show_example, None, [answer, table], **options)
        blocks.load(None, js=_script())
        api.add_endpoints(api.Endpoints(predictor, turns))
    return blocks


def build_without_model(reason: str, on_space: bool) -> gr.Blocks:
    """The page that says why there is no model, and how to get one."""
    with _page() as blocks:
        gr.HTML(pages.without_model(reason, on_space))
    return blocks


def _page() -> gr.Blocks:
    uploads.folder()  # components read its place from the environment when they are created
    return gr.Blocks(title="COVID-19 in chest X-rays", analytics_enabled=False)


def _script() -> str:
    """The page's script, called with the server's limits."""
    known = {"bytes": limits.MAX_FILE_BYTES, "files": limits.MAX_IMAGES, "mark": uploads.TOO_LARGE_MARK.decode()}
    return f"() => ({_SCRIPT.read_text(encoding='utf-8')})({json.dumps(known)})"


def theme() -> gr.themes.Base:
    """Slate on white or near-black with one accent, and the system's fonts, so that no font is downloaded."""
    return gr.themes.Base(
        primary_hue="cyan", secondary_hue="slate", neutral_hue="slate", radius_size="lg", font=_SANS, font_mono=_MONO
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_shadow="none",
    )
