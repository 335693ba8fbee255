"""What the embedded Hub answers when it refuses, in the words `huggingface_hub` understands."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class HubError(Exception):
    """A refusal: HTTP status, message, and the `X-Error-Code` by which the client picks its exception class."""

    def __init__(self, status: int, message: str, code: str | None = None, commit: str | None = None):
        super().__init__(message)
        self.status, self.message, self.code, self.commit = status, message, code, commit

    def response(self) -> JSONResponse:
        """The answer on the wire; a header value is printable ASCII."""
        printable = "".join(c if " " <= c <= "~" else "?" for c in self.message)
        headers = {"X-Error-Message": printable, "X-Error-Code": self.code, "X-Repo-Commit": self.commit}
        return JSONResponse(
            {"error": self.message}, self.status, headers={k: v for k, v in headers.items() if v is not None}
        )


def repo_not_found(repo_id: str) -> HubError:
    """Also said of a private repo to those who may not read it, as the Hub does."""
    return HubError(404, f"Repository not found: {repo_id}", "RepoNotFound")


def revision_not_found(revision: str) -> HubError:
    """No branch, tag or commit of that name."""
    return HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str, commit: str | None = None) -> HubError:
    """No such file at that commit; with the commit's sha the client remembers the absence."""
    return HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound", commit)


async def refuse(request: Request, error: HubError) -> JSONResponse:
    """Exception handler for `HubError`."""
    return error.response()


async def storage_failed(request: Request, error: OSError) -> JSONResponse:
    """Exception handler for a full or failing disk: no 5xx that clients retry for minutes."""
    return HubError(507, f"The embedded Hub cannot use its disk: {error.strerror or error}").response()


async def sender_gone(request: Request, error: Exception) -> Response:
    """Exception handler for a client that left in mid-upload: an everyday event, with nobody there to read this."""
    return Response(status_code=400)


async def unanswered(request: Request, error: Exception) -> JSONResponse:
    """Exception handler for routes that the embedded Hub lacks."""
    return HubError(404, f"The embedded Hub does not answer {request.method} {request.url.path}").response()
