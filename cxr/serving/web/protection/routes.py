"""The routes that are served: those of the page, the API and MCP. gradio has many more, of features not used here.

They fetch addresses, edit code, record the screen and show other runs, each with a switch of its own; none of them is
reached here, whatever a later version of gradio adds or switches on.
"""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_API = "/gradio_api/"
_PATHS = {"/", "/config", "/theme.css", "/manifest.json", "/robots.txt", "/favicon.ico"} | {
    f"{_API}{name}"
    for name in (
        *("info", "openapi.json", "app_id", "startup-events", "token", "user", "login_check", "theme.css"),
        *("upload", "upload_progress", "queue/join", "queue/data", "cancel", "reset", "mcp"),
    )
}
_FOLDERS = ("/static/", "/assets/", f"{_API}call/", f"{_API}heartbeat/", f"{_API}mcp/", f"{_API}file=")
_NOT_FOUND = 404


def is_known(path: str) -> bool:
    """Whether a path is one that is served; a file's path must not be an address."""
    if path.startswith(f"{_API}file=") and "://" in path:
        return False
    return path in _PATHS or path.rstrip("/") in _PATHS or path.startswith(_FOLDERS)


class KnownRoutes:
    """ASGI middleware that answers 404 to every other path, and takes no web sockets."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not is_known(scope["path"]):
            await JSONResponse({"detail": "Not Found"}, _NOT_FOUND)(scope, receive, send)
        elif scope["type"] != "websocket":
            await self._app(scope, receive, send)
