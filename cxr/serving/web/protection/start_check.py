"""What must be refused is requested once at the start: a gradio that lets it pass must not serve anyone.

`gradio_patches.check` finds what is replaced inside gradio by its names. What gradio itself protects may change under
the same names, so it is tried.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from cxr.errors import UserError
from cxr.serving.web.protection import bad_requests, headers

_SECONDS = 30
_OK = 200
_API = "predict"
_STATED = ("content-security-policy", "x-content-type-options", "referrer-policy")


def check_protections(blocks: gr.Blocks, url: str) -> None:
    """Request what must be refused from the app that has just started, and look at the headers of its page.

    Raises:
        UserError: if a protection is missing.
    """
    own = Path(__file__).resolve()
    with _without_log():
        _check(_request(f"{url}{headers.FILE_ROUTE[1:]}{own}")[0] != _OK, "gives out files that are no uploads")
        _check(not _takes_files(blocks) or _is_refused(url, own), "takes files of the server for uploads")
        stated = _request(url)[1]
        _check(all(name in stated for name in _STATED), "drops the headers that this app adds")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UserError(f"gradio {gr.__version__} {otherwise}: install the gradio version that requirements.txt allows")


@contextmanager
def _without_log() -> Iterator[None]:
    log = logging.getLogger(bad_requests.log.name)
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def _takes_files(blocks: gr.Blocks) -> bool:
    """Whether there is an API: a page without a model has none."""
    return any(event.api_name == _API and isinstance(event.inputs[0], gr.File) for event in blocks.fns.values())


def _is_refused(url: str, file: Path) -> bool:
    """Whether the API takes no file that was not uploaded."""
    data = [{"path": str(file), "meta": {"_type": "gradio.FileData"}}]
    event = json.loads(_request(f"{url}gradio_api/call/{_API}", {"data": data})[2])["event_id"]
    return bad_requests.NO_UPLOAD in _request(f"{url}gradio_api/call/{_API}/{event}")[2]


def _request(url: str, data: object = None) -> tuple[int, dict[str, str], str]:
    """Status, headers in lower case, and text of a response, without any proxy."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            stated = {name.lower(): value for name, value in response.headers.items()}
            return response.status, stated, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, {}, ""
