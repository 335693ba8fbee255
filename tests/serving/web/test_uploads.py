"""Uploads: out of others' reach, gone once answered, and after minutes whatever became of them."""

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from support import serving
from test_api import post, upload

from cxr.serving.predictor import Predictor
from cxr.serving.web import interface, server
from cxr.serving.web.protection import uploads
from cxr.serving.web.protection.uploads import RequestSizeLimit


@contextmanager
def launched(model: Path) -> Iterator[str]:
    """The page's address, served by this process."""
    blocks = interface.build(Predictor.load(str(model)))
    yield server.launch(blocks, "127.0.0.1", None)
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def url(gated: Path) -> Iterator[str]:
    with launched(gated) as address:
        yield address


@pytest.fixture
def own(xray: Path, tmp_path: Path) -> Path:
    """An image that no other test uploads."""
    path = tmp_path / "own.png"
    path.write_bytes(xray.read_bytes() + str(tmp_path).encode())
    return path


def status(url: str, path: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}gradio_api/file={path}", timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def ask_page(url: str, *paths: str, session: str) -> str:
    """What the page's upload event streams back, as the browser's own requests get it."""
    with urllib.request.urlopen(f"{url}config", timeout=30) as response:
        events = json.load(response)["dependencies"]
    (number,) = (event["id"] for event in events if [kind for _, kind in event["targets"]] == ["upload"])
    files = [{"path": path, "orig_name": "given.png", "meta": {"_type": "gradio.FileData"}} for path in paths]
    body = {"data": [files], "fn_index": number, "session_hash": session}
    post(f"{url}gradio_api/queue/join", json.dumps(body).encode(), "application/json")
    with urllib.request.urlopen(f"{url}gradio_api/queue/data?session_hash={session}", timeout=60) as stream:
        return stream.read().decode()


def test_an_upload_is_gone_from_disk_and_address_once_the_page_has_answered(url: str, own: Path):
    path = upload(url, own)
    assert Path(path).is_file()
    assert status(url, path) == 200
    assert "Your image" in ask_page(url, path, session="one")
    assert not Path(path).exists()
    assert status(url, path) in (403, 404)
    left = [file for file in uploads.folder().rglob("*") if file.is_file()]
    assert own.read_bytes() not in [file.read_bytes() for file in left]


def test_two_visitors_with_the_same_file_do_not_disturb_each_other(url: str, own: Path):
    first, second = upload(url, own), upload(url, own)
    assert first != second
    assert "Your image" in ask_page(url, first, session="first")
    assert "Your image" in ask_page(url, second, session="second")
    assert not Path(second).exists()


def test_the_same_file_twice_in_one_request_is_two_uploads(url: str, own: Path):
    content = [("files", ("given.png", own.read_bytes()))] * 2
    paths = httpx2.post(f"{url}gradio_api/upload", files=content).json()
    assert len(set(paths)) == 2
    assert "2 images answered" in ask_page(url, *paths, session="twice")


def test_many_visitors_with_the_same_file_at_once(url: str, own: Path):
    def visit(number: int) -> str:
        return ask_page(url, upload(url, own), session=f"visitor-{number}")

    with ThreadPoolExecutor(8) as visitors:
        said = list(visitors.map(visit, range(16)))
    assert all("Your image" in stream for stream in said)


def test_a_batch_leaves_nothing_either_and_a_bad_file_is_deleted_too(url: str, own: Path, text: Path):
    paths = [upload(url, own), upload(url, text)]
    assert "2 images answered" in ask_page(url, *paths, session="batch")
    assert not any(Path(path).exists() for path in paths)


def test_addresses_are_refused_wherever_they_stand_in_a_list(url: str, own: Path):
    said = ask_page(url, upload(url, own), f"{url}favicon.ico", session="address")
    assert "addresses are not fetched" in said


def test_the_servers_own_files_are_no_uploads(url: str, gated: Path):
    assert "Your image" not in ask_page(url, str(gated / "config.json"), session="own")
    assert (gated / "config.json").is_file()


@pytest.fixture
def forgetful(gated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The app with seconds instead of minutes."""
    assert (uploads.CHECK_SECONDS, uploads.KEPT_SECONDS) == (60, 600)
    monkeypatch.setattr(uploads, "CHECK_SECONDS", 1)
    monkeypatch.setattr(uploads, "KEPT_SECONDS", 1)
    with launched(gated) as address:
        yield address


def subfolders() -> set[Path]:
    return {entry for entry in uploads.folder().iterdir() if entry.is_dir()}


def gone(path: Path) -> bool:
    for _ in range(100):
        if not path.exists():
            return True
        time.sleep(0.1)
    return False


def test_an_upload_without_a_request_is_deleted_after_the_stated_time(forgetful: str, own: Path):
    before = subfolders()
    path = upload(forgetful, own)
    assert status(forgetful, path) == 200
    assert gone(Path(path))
    assert status(forgetful, path) in (403, 404)
    assert subfolders() == before


def test_an_upload_whose_sender_hung_up_is_deleted_too(forgetful: str, own: Path):
    before = set(uploads.folder().iterdir())
    where = urlsplit(forgetful)
    with socket.create_connection((where.hostname, where.port)) as sender:
        head = '--b\r\nContent-Disposition: form-data; name="files"; filename="half.png"\r\n\r\n'
        request = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 90000\r\n"
        sender.sendall(f"{request}Content-Type: multipart/form-data; boundary=b\r\n\r\n{head}".encode())
        sender.sendall(b"x" * 30000)
        for _ in range(100):
            if half := set(uploads.folder().iterdir()) - before:
                break
            time.sleep(0.1)
    (path,) = half
    assert gone(path)


@pytest.fixture(scope="module")
def strict(gated: Path) -> Iterator[str]:
    """The page with smaller limits to the size of requests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "RequestSizeLimit", partial(RequestSizeLimit, upload_bytes=300_000, other_bytes=2_000))
        with launched(gated) as address:
            yield address


def held() -> int:
    return sum(path.stat().st_size for path in uploads.folder().rglob("*") if path.is_file())


@pytest.mark.parametrize("states_its_length", [True, False])
def test_a_request_that_holds_too_much_is_refused(strict: str, states_its_length: bool):
    before = held()
    request = httpx2.Request("POST", f"{strict}gradio_api/upload", files=[("files", ("a.png", bytes(40_000)))] * 10)
    body = request.read()
    told = httpx2.post(
        request.url,
        headers={"content-type": request.headers["content-type"]},
        content=body if states_its_length else (body[start : start + 1000] for start in range(0, len(body), 1000)),
    )
    assert told.status_code == 413
    assert "send fewer files" in told.text
    assert held() - before <= (0 if states_its_length else 300_000)


def test_a_question_that_is_no_upload_may_hold_less(strict: str, own: Path):
    assert httpx2.post(f"{strict}gradio_api/call/predict", json={"data": ["x" * 3000]}).status_code == 413
    assert upload(strict, own)


def test_no_other_user_can_list_the_uploads():
    assert uploads.folder().stat().st_mode & 0o077 == 0


def test_what_a_killed_process_left_is_deleted_by_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    left, other = tmp_path / "cxr-uploads-killed" / "hash" / "patient.png", tmp_path / "other" / "file.png"
    for path in (left, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    (tmp_path / "cxr-uploads-killed.lock").touch()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    running = uploads.folder.__wrapped__()
    assert not left.exists()
    assert other.exists()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    uploads.folder.__wrapped__()
    assert running.is_dir()


@pytest.mark.slow
def test_uploads_outlive_neither_a_stopped_app_nor_the_next_start_after_a_killed_one(
    gated: Path, own: Path, tmp_path: Path
):
    env = {"GRADIO_TEMP_DIR": str(tmp_path / "temporary")}
    with serving("--model", str(gated), env=env, end=signal.SIGKILL) as address:
        left = Path(upload(address, own))
    assert left.is_file()
    with serving("--model", str(gated), env=env, end=signal.SIGTERM) as address:
        assert not left.exists()
        assert Path(upload(address, own)).is_file()
    assert not list((tmp_path / "temporary").glob("cxr-*"))
