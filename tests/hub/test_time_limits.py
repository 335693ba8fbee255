"""Every wait for the Hub ends: what is slow in a way that a time limit for each byte does not see."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import huggingface_hub
import pytest

from cxr import hub as client
from cxr.errors import UserError
from cxr.hub import HubAnswerError, HubTimeoutError

LIMIT = 0.6
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def short_time_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXR_HUB_TIMEOUT", str(LIMIT))
    huggingface_hub.close_session()
    client.api()
    yield
    huggingface_hub.close_session()


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does what `answer` does with each connection, until the client hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        listener.shutdown(socket.SHUT_RDWR)


def trickle(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def a_head_in_bytes(connection: socket.socket) -> None:
    connection.recv(65536)
    trickle(connection, HEAD * 50)


def a_body_in_bytes(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(HEAD + b"Content-Length: 400\r\n\r\n")
    trickle(connection, b"x" * 400)


def no_answer(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(5 * LIMIT)


@pytest.mark.parametrize("answer", [a_head_in_bytes, a_body_in_bytes, no_answer])
def test_a_slow_answer_ends(answer):
    with server(answer) as url:
        start = time.monotonic()
        with pytest.raises(HubTimeoutError):
            huggingface_hub.get_session().get(url)
        assert time.monotonic() - start < 2 * LIMIT + 1


def test_an_upload_that_is_taken_byte_by_byte_ends():
    def take_slowly(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while connection.recv(64):
            time.sleep(0.05)

    with server(take_slowly) as url:
        start = time.monotonic()
        with pytest.raises(HubTimeoutError):
            huggingface_hub.get_session().put(url, content=b"x" * 50_000_000)
        assert time.monotonic() - start < 3 * LIMIT + 2


def test_an_answer_without_end_ends():
    def endless(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"100000\r\n" + bytes(2**20) + b"\r\n")

    with server(endless) as url, pytest.raises(HubAnswerError, match="over 104,857,600 bytes"):
        huggingface_hub.get_session().get(url)


def test_an_upload_is_not_sent_on_to_another_server():
    asked = []

    def remember(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))

    with server(remember) as other:

        def redirect(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 307 Go\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n".encode())

        with server(redirect) as url:
            for method in ("GET", "PUT", "POST"):
                with pytest.raises(HubAnswerError, match="is redirected to"):
                    huggingface_hub.get_session().request(method, url)
    assert not asked


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {"ratelimit": '"api";r=0;t=3600'}])
def test_a_pause_of_an_hour_is_not_waited_for(hub, headers):
    hub.faults.add(path="/api/models", times=None, status=429, headers=headers)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"HTTP 429.* try again later"):
        client.pull("demo/anything")
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("redirected", [False, True])
def test_a_resolver_that_does_not_answer_ends(redirected: bool, monkeypatch: pytest.MonkeyPatch):
    found = socket.getaddrinfo

    def wait(host: str, *args: object, **options: object) -> object:
        if host == "hub.example":
            time.sleep(20 * LIMIT)
        return found(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", wait)

    def redirect(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 302 Go\r\nLocation: http://hub.example/x\r\nContent-Length: 0\r\n\r\n")

    start = time.monotonic()
    with server(redirect) as here, pytest.raises(HubTimeoutError, match=r"no address found for hub\.example"):
        huggingface_hub.get_session().get(f"{here}/resolve/y" if redirected else "http://hub.example/x")
    assert time.monotonic() - start < 3 * LIMIT
