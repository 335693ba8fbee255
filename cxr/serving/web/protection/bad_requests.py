"""Requests that fail: their sender is told why, and the log gets a line, not a traceback.

gradio answers `null` to a request that its own code cannot handle, and logs a traceback for each. What fails in this
project's code is no bad request: it is logged in full, and the sender is told that the app is at fault.
"""

import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr.errors import one_line

log = logging.getLogger("cxr.app")

NO_UPLOAD = "The file is no upload of this app: send it to /gradio_api/upload, and the path that you get for it here."
OUR_FAULT = "The app failed over this request; its log says why."
_NOT_UNDERSTOOD = "The request cannot be understood: {}."
_BAD_REQUEST, _SERVER_ERROR = 400, 500
_MAX_LENGTH = 300
_PROJECT = "cxr."

Process = Callable[..., Awaitable[dict[str, Any]]]


def explaining(process: Process) -> Process:
    """`Blocks.process_api`, which runs one event, with every error turned into one that gradio passes on."""

    async def process_explaining(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return await process(*args, **kwargs)
        except gr.Error as error:
            log.warning("refused: %s", _short(error.message))
            raise
        except Exception as error:
            raise gr.Error(_explained(error), print_exception=False) from error

    return process_explaining


class OneLineErrors:
    """ASGI middleware for what fails outside events: an unknown function, a body that is none."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started: Message | None = None

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = message if message["type"] == "http.response.start" else started
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except Exception as error:
            detail = _explained(error, f"{scope['method']} {scope['path']}")
            if started is None:
                status = _SERVER_ERROR if isinstance(error, OSError) or detail == OUR_FAULT else _BAD_REQUEST
                await JSONResponse({"detail": detail}, status)(scope, receive, send)
            else:
                await _end_stream(started, "" if isinstance(error.__cause__, HTTPException) else detail, send)


async def _end_stream(start: Message, detail: str, send: Send) -> None:
    """Complete a response that had begun; a stream of events ends with the error, unless gradio has sent it."""
    is_stream = Headers(raw=start["headers"]).get("content-type", "").startswith("text/event-stream")
    body = f"event: error\ndata: {json.dumps({'error': detail})}\n\n".encode() if is_stream and detail else b""
    await send({"type": "http.response.body", "body": body})


def _explained(error: Exception, where: str = "event") -> str:
    """What the sender is told; what the log needs is written to it."""
    if _is_ours(error):
        log.error("failed: %s", where, exc_info=error)
        return OUR_FAULT
    reason = _short(f"{type(error).__name__}: {error}")
    log.warning("bad request: %s: %s", _short(where), reason)
    if isinstance(error, InvalidPathError):  # its message names a folder of the server
        return NO_UPLOAD
    if isinstance(error, ValidationError):
        reason = _short(error.errors()[0]["msg"])
    return _NOT_UNDERSTOOD.format(reason.rstrip("."))


def _is_ours(error: BaseException) -> bool:
    """Whether it was raised in or below this project's code, other than what stands between gradio and the network."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(name.startswith(_PROJECT) and not name.startswith(f"{_PROJECT}serving.web.") for name in names)


def _short(text: str) -> str:
    """Text of strangers for one line of a log: no control characters, no more than a few hundred letters."""
    line = "".join(letter if letter.isprintable() else "?" for letter in one_line(ValueError(text)))
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"
