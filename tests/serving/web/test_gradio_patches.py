"""What is replaced inside gradio is there, and a gradio version without it ends the start with a readable line."""

from pathlib import Path

import gradio as gr
import gradio.processing_utils
import gradio.routes
import pytest
from gradio.mcp import GradioMCPServer
from starlette.responses import PlainTextResponse

from cxr.errors import UserError
from cxr.serving.web import interface, server
from cxr.serving.web.protection import gradio_patches

REPLACED = [
    (gr.blocks.Block, "async_move_resource_to_block_cache"),
    (GradioMCPServer, "convert_strings_to_filedata"),
    (GradioMCPServer, "postprocess_output_data"),
    (gr.Blocks, "process_api"),
]


@pytest.mark.parametrize(("owner", "name"), REPLACED, ids=[name for _, name in REPLACED])
def test_the_installed_gradio_has_what_is_replaced(owner: type, name: str):
    if not callable(getattr(owner, name, None)):
        pytest.fail(
            f"gradio {gr.__version__} has no {owner.__name__}.{name}, which "
            "cxr/serving/web/protection/gradio_patches.py needs"
        )
    gradio_patches.check()


@pytest.mark.parametrize(("owner", "name"), REPLACED, ids=[name for _, name in REPLACED])
def test_a_gradio_without_it_is_refused_at_start(owner: type, name: str, monkeypatch: pytest.MonkeyPatch):
    page = interface.build_without_model("no model was named", on_space=False)
    monkeypatch.delattr(owner, name)
    with pytest.raises(UserError, match=rf"gradio {gr.__version__} has no \w+\.{name}.*requirements\.txt"):
        server.launch(page, "127.0.0.1", None)
    assert not page.is_running


def test_a_page_without_refusing_addresses_is_never_built(predictor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(gr.blocks.Block, "async_move_resource_to_block_cache")
    with pytest.raises(UserError, match="async_move_resource_to_block_cache"):
        interface.build(predictor)


def lets_files_out(path: str, *_: object) -> PlainTextResponse:
    return PlainTextResponse(Path(path).read_bytes())


MISSING = {
    "gives out files": (gradio.routes, "file_fetch", lets_files_out),
    "takes files of the server": (gradio.processing_utils, "_check_allowed", lambda *_: None),
    "drops the headers": (server, "SecurityHeaders", lambda app: app),
}


@pytest.mark.parametrize("said", MISSING)
def test_a_gradio_that_protects_less_is_refused_at_start(said: str, predictor, monkeypatch: pytest.MonkeyPatch):
    page = interface.build(predictor)
    monkeypatch.setattr(*MISSING[said])
    with pytest.raises(UserError, match=said):
        server.launch(page, "127.0.0.1", None)
    assert not page.is_running
