"""What every response states, which routes there are, and that a bad request gets the reason, and the log a line."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx2
import pytest
from test_api import upload

from cxr.serving.predictor import Predictor
from cxr.serving.web import interface, server
from cxr.serving.web.protection.bad_requests import OUR_FAULT


@pytest.fixture(scope="module")
def url(gated: Path) -> Iterator[str]:
    blocks = interface.build(Predictor.load(str(gated)))
    yield server.launch(blocks, "127.0.0.1", None)
    blocks.close(verbose=False)


PATHS = [
    "",
    "config",
    "theme.css",
    "gradio_api/info",
    "gradio_api/file=/etc/passwd",
    "static/img/logo_nosize.svg",
    "no",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_response_states_what_may_run_and_that_no_type_is_guessed(url: str, path: str):
    headers = httpx2.get(f"{url}{path}").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    stated = headers["content-security-policy"]
    assert "default-src 'none'" in stated
    assert "unsafe-inline" not in re.search(r"script-src[^;]*|$", stated)[0]
    assert "http" not in stated


def test_a_space_may_be_shown_on_the_hubs_pages_alone(url: str, monkeypatch: pytest.MonkeyPatch):
    assert "frame-ancestors 'self'" in httpx2.get(url).headers["content-security-policy"]
    monkeypatch.setenv("SPACE_ID", "a/space")
    stated = httpx2.get(url).headers["content-security-policy"]
    assert "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co" in stated


@pytest.mark.parametrize("name", ["page.html", "image.svg", "photo.png", "script.js", "none"])
def test_an_upload_is_sent_back_as_bytes_to_be_saved(url: str, tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    where = upload(url, path)
    for extra in ({}, {"Range": "bytes=0-10"}):
        response = httpx2.get(f"{url}gradio_api/file={where}", headers=extra)
        assert response.status_code in (200, 206)
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"] == "attachment"
        assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"


UNUSED = [
    ("GET", "gradio_api/proxy=http://127.0.0.1:1/"),
    ("GET", "gradio_api/file=http://127.0.0.1:1/x"),
    ("GET", "gradio_api/file=HTTPS://example.com/x"),
    ("GET", "gradio_api/dev/reload"),
    ("GET", "gradio_api/vibe-code/"),
    ("POST", "gradio_api/vibe-edit/"),
    ("POST", "gradio_api/process_recording"),
    ("POST", "gradio_api/component_server"),
    ("POST", "gradio_api/stream/x"),
    ("GET", "gradio_api/stream/a/b/1/playlist.m3u8"),
    ("GET", "gradio_api/deep_link?session_hash=x"),
    ("GET", "gradio_api/runs"),
    ("GET", "gradio_api/custom_component/1/client/x/y"),
    ("GET", "monitoring/summary"),
    ("POST", "login"),
    ("GET", "openapi.json"),
    ("GET", "docs"),
]


@pytest.mark.parametrize(("method", "path"), UNUSED)
def test_routes_of_other_features_are_not_there(url: str, method: str, path: str):
    assert httpx2.request(method, f"{url}{path}").status_code == 404


FILE = {"_type": "gradio.FileData"}
BAD = {
    "nothing": [],
    "a number": [1],
    "a text": ["x"],
    "an empty object": [{}],
    "a list": [[1, 2]],
    "too many": [1, 2, 3],
    "another file of the server": [{"path": "/etc/passwd", "meta": FILE}],
    "a way out": [{"path": "../../app.py", "meta": FILE}],
    "an address": [{"url": "http://127.0.0.1:1/", "meta": FILE}],
    "a path with a null": [{"path": "a\0b", "meta": FILE}],
    "a path of megabytes": [{"path": "x" * 1_000_000, "meta": FILE}],
    "a list as a path": [{"path": ["/etc/passwd"], "meta": FILE}],
    "a line break": [{"path": "x\nTraceback (most recent call last)\x1b[31m", "meta": FILE}],
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_told_why_and_the_log_gets_a_line(url: str, name: str, caplog, capfd):
    status, said = ask(url, BAD[name])
    assert status == 200
    assert said["error"].endswith(".")
    assert len(said["error"]) < 500
    assert str(Path.cwd()) not in said["error"]
    assert is_one_line(caplog, capfd)


def ask(url: str, data: list[object]) -> tuple[int, dict[str, str]]:
    """Status and data of the error that a call of the API ends in."""
    event = httpx2.post(f"{url}gradio_api/call/predict", json={"data": data}).json()["event_id"]
    stream = httpx2.get(f"{url}gradio_api/call/predict/{event}", timeout=30)
    assert "event: error" in stream.text
    return stream.status_code, json.loads(stream.text.split("data: ")[-1])


def is_one_line(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> bool:
    """Whether the app has logged one line, and nothing else was written."""
    (record,) = caplog.records
    shown = capfd.readouterr()
    return record.exc_info is None and record.getMessage().isprintable() and "Traceback" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "gradio_api/call/nothing", b'{"data": []}'),
        ("POST", "gradio_api/call/v2/nothing", b"{}"),
        ("POST", "gradio_api/queue/join", b'{"data": [], "fn_index": 99, "session_hash": "x"}'),
        ("GET", "gradio_api/call/predict/unknown", b""),
        ("GET", "gradio_api/queue/data?session_hash=unknown", b""),
    ],
)
def test_what_fails_outside_an_event_is_a_line_too(url: str, method: str, path: str, body: bytes, caplog, capfd):
    response = httpx2.request(method, f"{url}{path}", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400 or "404: Not Found" in response.text
    assert is_one_line(caplog, capfd)


def test_an_error_of_our_own_is_logged_in_full_and_not_told(gated: Path, monkeypatch, caplog):
    def fail(*_: object) -> None:
        raise KeyError("a secret of the server")

    def answer(text: str) -> str:
        return predictor.read(text.encode()).mode

    predictor = Predictor.load(str(gated))
    monkeypatch.setattr("cxr.imaging.reader.read_radiograph", fail)
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.api(answer, api_name="predict")
    address = server.launch(blocks, "127.0.0.1", None)
    _, said = ask(address, ["x"])
    blocks.close(verbose=False)
    assert said["error"] == OUR_FAULT
    (record,) = [record for record in caplog.records if record.name == "cxr.app"]
    assert record.levelno == logging.ERROR
    assert record.exc_info
