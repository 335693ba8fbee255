"""Refusals of the embedded Hub, in the form that `huggingface_hub` turns into its exceptions."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response


class HubError(Exception):
    """A refusal: HTTP status, message, and the `X-Error-Code` that picks the client's exception class."""

    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.code = status, code

    def response(self) -> JSONResponse:
        """The HTTP response."""
        headers = {"X-Error-Code": self.code} if self.code else None
        return JSONResponse({"error": str(self)}, self.status, headers=headers)


def repo_not_found(repo_id: str) -> HubError:
    """There is no such repo, or it is private and belongs to somebody else: as on the Hub, the same answer."""
    return HubError(404, f"Repository not found: {repo_id}", "RepoNotFound")


def revision_not_found(revision: str) -> HubError:
    """There is no branch, tag or commit of that name."""
    return HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str) -> HubError:
    """There is no such file or folder in the commit."""
    return HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")


def not_supported(request: Request) -> HubError:
    """The embedded Hub has no such address."""
    return HubError(404, f"The embedded Hub does not answer {request.method} {request.url.path}")


def add_handlers(app: FastAPI) -> None:
    """Answer errors as above, and clients that disconnect during an upload without a traceback."""

    @app.exception_handler(HubError)
    async def refused(request: Request, error: HubError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return HubError(400, f"Malformed request: {error.errors()[0]}").response()

    @app.exception_handler(404)
    async def missing(request: Request, error: Exception) -> Response:
        return not_supported(request).response()

    @app.exception_handler(ClientDisconnect)
    async def disconnected(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)
