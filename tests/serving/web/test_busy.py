"""The queue is bounded, says so in words, and nothing passes it by."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import gradio as gr
import pytest

from cxr.serving.web import server
from cxr.serving.web.protection import limits


@pytest.fixture
def slow_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Event]]:
    """An app whose answers wait for an event; its queue takes two requests."""
    monkeypatch.setattr(limits, "MAX_WAITING", 2)
    may_answer = threading.Event()

    def answer(text: str) -> str:
        may_answer.wait(60)
        return text

    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.api(answer, api_name="predict", concurrency_limit=1)
    yield server.launch(blocks, "127.0.0.1", None), may_answer
    may_answer.set()
    blocks.close(verbose=False)


def post(url: str) -> tuple[int, dict]:
    request = urllib.request.Request(url, b'{"data": ["x"]}', {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_who_comes_too_late_is_told_that_the_app_is_busy_and_the_others_are_answered(slow_app):
    url, may_answer = slow_app
    replies = [post(f"{url}gradio_api/call/predict") for _ in range(12)]
    assert {status for status, _ in replies} == {200, 503}
    assert {body["detail"] for status, body in replies if status == 503} == {server.BUSY.format(2)}
    taken = [body["event_id"] for status, body in replies if status == 200]
    assert 2 <= len(taken) <= 4
    may_answer.set()
    for event in taken:
        with urllib.request.urlopen(f"{url}gradio_api/call/predict/{event}", timeout=60) as stream:
            assert 'data: ["x"]' in stream.read().decode()


@pytest.mark.parametrize("route", ["run", "api"])
def test_the_routes_that_pass_the_queue_by_are_closed(slow_app, route):
    assert post(f"{slow_app[0]}gradio_api/{route}/predict")[0] == 404
