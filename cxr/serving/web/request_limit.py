"""A limit to how much one request may carry: gradio limits single files, of which a request may hold any number."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOAD_BYTES, OTHER_BYTES = 2 << 30, 100 << 20
"""Uploads go to disk, and two gigabytes are 200 large DICOM files; everything else is held in memory."""

TOO_MUCH = "Too much at once: send fewer files."
_TOO_LARGE = 413


class BodyLimit:
    """ASGI middleware: a request with a larger body gets one line and is read no further, whatever length it states."""

    def __init__(self, app: ASGIApp, upload_bytes: int = UPLOAD_BYTES, other_bytes: int = OTHER_BYTES):
        self._app, self._upload_bytes, self._other_bytes = app, upload_bytes, other_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._upload_bytes if scope["path"].endswith("/upload") else self._other_bytes
        if int(Headers(scope=scope).get("content-length", 0)) > most:
            await PlainTextResponse(TOO_MUCH, _TOO_LARGE)(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(_TOO_LARGE, TOO_MUCH)
            return message

        await self._app(scope, counted, send)
