"""What this app replaces inside gradio, because gradio offers no setting for it.

1. `File.async_move_resource_to_block_cache` downloads a file input that is an address. This server must not fetch
   addresses that strangers name, so they are refused there. (A subclass of `gr.File` would be cleaner, but defining one
   makes gradio write a `.pyi` file beside the module.)
2. `GradioMCPServer.convert_strings_to_filedata` turns the arguments of MCP tools into files. It would pass addresses on
   to be fetched, and write the content of `data:` URLs to a folder that is never cleaned up.
3. `GradioMCPServer.postprocess_output_data` would answer MCP calls with Python's repr of a dictionary, not with JSON.
4. `Blocks.process_api` runs one event. What fails in it would be answered with `null` and logged as a traceback.

Each is checked at startup: a gradio version without one of them ends the program with a line that says so.
"""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio.mcp import GradioMCPServer
from gradio_client import handle_file
from mcp.types import TextContent

from cxr.errors import UserError
from cxr.serving.web.protection import bad_requests, uploads
from cxr.serving.web.protection.limits import MAX_FILE_BYTES, MAX_FILE_SIZE

_FILE_METHOD = "async_move_resource_to_block_cache"
_MCP_ARGUMENTS = "convert_strings_to_filedata"
_MCP_OUTPUT = "postprocess_output_data"
_EVENT_METHOD = "process_api"
_REPLACED = (
    (gr.File, _FILE_METHOD),
    (GradioMCPServer, _MCP_ARGUMENTS),
    (GradioMCPServer, _MCP_OUTPUT),
    (gr.Blocks, _EVENT_METHOD),
)

_FILE_ROUTE = "/gradio_api/file="
_HOW_TO_SEND = "send an image as a data: URL, or upload it to this app and send the address that you get for it"


def check() -> None:
    """Make sure that the installed gradio has everything that is replaced.

    Raises:
        UserError: if it does not.
    """
    for owner, name in _REPLACED:
        if not callable(getattr(owner, name, None)):
            raise UserError(
                f"gradio {gr.__version__} has no {owner.__name__}.{name}, which this app has to replace: "
                "install the gradio version that requirements.txt allows"
            )


def refuse_addresses(component: gr.File) -> gr.File:
    """Make a file component take uploads only, and refuse addresses instead of fetching them.

    Raises:
        UserError: see `check`.
    """
    check()
    keep_in_cache = getattr(component, _FILE_METHOD)

    async def take_uploads_only(path: str | Path | None) -> str | None:
        if str(path).startswith(("http://", "https://")):
            raise gr.Error("Send the file itself: addresses are not fetched.", print_exception=False)
        return await keep_in_cache(path)

    setattr(component, _FILE_METHOD, take_uploads_only)
    return component


def explain_errors(blocks: gr.Blocks) -> None:
    """Have errors of the page's events say what is wrong (`bad_requests`).

    Raises:
        UserError: see `check`.
    """
    check()
    setattr(blocks, _EVENT_METHOD, bad_requests.explaining(getattr(blocks, _EVENT_METHOD)))


def patch_mcp(blocks: gr.Blocks) -> None:
    """Replace how the page's MCP server reads arguments and writes answers.

    Raises:
        UserError: see `check`.
    """
    check()
    server = blocks.mcp_server_obj
    setattr(server, _MCP_ARGUMENTS, _arguments_with_files)
    setattr(server, _MCP_OUTPUT, _as_json)


def _arguments_with_files(arguments: dict[str, Any], positions: list[list[str | int]]) -> dict[str, Any]:
    """A tool's arguments, in which each string that stands for a file is replaced by that file."""
    names = {position[0] for position in positions}
    return {name: handle_file(str(_file(value))) if name in names else value for name, value in arguments.items()}


def _file(argument: object) -> Path:
    if isinstance(argument, str) and argument.startswith("data:"):
        return _saved(argument)
    path = Path(unquote(urlsplit(str(argument)).path.partition(_FILE_ROUTE)[2]))
    if not path.is_relative_to(uploads.folder()) or ".." in path.parts or not path.is_file():
        raise UserError(f"addresses are not fetched: {_HOW_TO_SEND}")
    return path


def _saved(data_url: str) -> Path:
    """The content of a `data:` URL, in the upload folder, from where it is deleted like any upload."""
    if len(data_url) > MAX_FILE_BYTES * 4 // 3:
        raise UserError(f"the image is larger than {MAX_FILE_SIZE}")
    try:
        content = base64.b64decode(data_url.rpartition(",")[2])
    except ValueError as error:
        raise UserError(f"the data: URL does not hold base64: {_HOW_TO_SEND}") from error
    path = uploads.new_path()
    path.write_bytes(content)
    return path


def _as_json(outputs: list[Any], root_url: str) -> list[TextContent]:
    return [TextContent(type="text", text=json.dumps(output, ensure_ascii=False)) for output in outputs]
