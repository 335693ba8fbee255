"""What every response states: what the page may load and run, and that no type is guessed and no address passed on.

The page's own scripts are allowed by their hashes, so that markup which a name or a tag smuggled in would run nothing.
gradio compiles the page's events with `new Function`, and sets styles inline; both have to be allowed.
"""

import base64
import hashlib
import os
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILE_ROUTE = "/gradio_api/file="

_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_FILE_POLICY = "default-src 'none'; sandbox"
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' data: blob:; "
    "worker-src 'self' blob:; manifest-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; "
    "frame-src 'none'; frame-ancestors 'self'{frames}"
)
_SPACE_FRAMES = " https://huggingface.co https://*.huggingface.co"
"""Where a Space is shown in a frame."""


def policy(html: bytes = b"") -> str:
    """The Content-Security-Policy of a page, whose inline scripts are allowed as they are."""
    digests = (hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(html))
    scripts = "".join(f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return _POLICY.format(scripts=scripts, frames=_SPACE_FRAMES if os.environ.get("SPACE_ID") else "")


class SecurityHeaders:
    """ASGI middleware that adds these headers to every response.

    Uploads leave as bytes to be saved, whatever they are and whatever gradio takes them for: a browser must neither
    guess a type nor show one.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_file = scope["path"].startswith(FILE_ROUTE)
        start: Message | None = None
        body = bytearray()

        async def send_with_headers(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if not is_file and _is_html(message):
                    start = message  # held back until the page's scripts are known
                    return
                _add_headers(message, _FILE_POLICY if is_file else policy())
                if is_file:
                    _as_bytes(message)
            elif start is not None:
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                _add_headers(start, policy(bytes(body)))
                await send(start)
                start, message = None, {"type": "http.response.body", "body": bytes(body)}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _is_html(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith("text/html")


def _add_headers(start: Message, content_policy: str) -> None:
    headers = MutableHeaders(scope=start)
    headers["content-security-policy"] = content_policy
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "no-referrer"


def _as_bytes(start: Message) -> None:
    headers = MutableHeaders(scope=start)
    if start["status"] in (200, 206):
        headers["content-type"] = "application/octet-stream"
        headers["content-disposition"] = "attachment"
    headers["cache-control"] = "no-store"
