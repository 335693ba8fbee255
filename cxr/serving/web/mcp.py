"""The same endpoints as tools for language models, over MCP (https://modelcontextprotocol.io), at `/gradio_api/mcp/`.

gradio makes the server from the API. Three things of its are done otherwise: it would fetch any address it is given, it
would leave what came as a `data:` URL on disk for ever, and it would answer with Python's repr of the JSON.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from gradio_client import handle_file
from gradio_client.utils import decode_base64_to_binary
from mcp.types import TextContent

from cxr.errors import UserError
from cxr.serving.web import uploads

_UPLOADED = "/gradio_api/file="
_HOW = "send a picture as a data: URL, or upload it to this app and send the address you get for it"


def mend(blocks: gr.Blocks) -> None:
    """Put these three right on a page that has been launched with its MCP server."""
    server = blocks.mcp_server_obj
    server.convert_strings_to_filedata = _with_files
    server.postprocess_output_data = _as_json


def _with_files(arguments: dict[str, Any], places: list[list[str | int]]) -> dict[str, Any]:
    """A tool's arguments, with a file in the place of each string that stands for one."""
    names = {place[0] for place in places}
    return {name: handle_file(str(_file(value))) if name in names else value for name, value in arguments.items()}


def _file(value: object) -> Path:
    if isinstance(value, str) and value.startswith("data:"):
        return _kept(value)
    path = Path(unquote(urlsplit(str(value)).path.partition(_UPLOADED)[2]))
    if not path.is_relative_to(uploads.folder()) or ".." in path.parts or not path.is_file():
        raise UserError(f"addresses are not fetched: {_HOW}")
    return path


def _kept(url: str) -> Path:
    """A `data:` URL's content in the upload folder, whose clean-up sees to it."""
    if len(url) > uploads.MAX_BYTES * 4 // 3:
        raise UserError(f"the picture is larger than {uploads.MAX_FILE_SIZE}")
    try:
        content, _ = decode_base64_to_binary(url)
    except ValueError as error:
        raise UserError(f"the data: URL holds no base64: {_HOW}") from error
    return uploads.keep(content)


def _as_json(outputs: list[Any], root_url: str) -> list[TextContent]:
    return [TextContent(type="text", text=json.dumps(output, ensure_ascii=False)) for output in outputs]
