"""Many clients at once against the app: whether every answer is right, only "busy" is refused, and memory is freed.

Starts `app.py`, sends every image once, then lets clients upload images and request answers over plain HTTP, each
waiting for its answer before the next request. Prints how many answers were right (the same as the image got alone),
how many requests were refused because the app was busy, everything else, requests per second, and the memory of the
server before and after (Linux only). Demanded: nothing else, and at most 100 MiB more; exit code 1 otherwise.

    python benchmarks/load.py MODEL [--images FOLDER] [--clients 50] [--requests 20]
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import ROOT, make_parser, phantoms, process_bytes

from cxr.serving.heatmap import png
from cxr.serving.input_files import find

PHANTOMS = 10
MOST_MORE_MIB = 100
_TIMEOUT_SECONDS = 120
_SETTLING_SECONDS = 30

Answer = dict | str
"""The app's JSON answer, or the message that came in its place."""


def main(arguments: list[str] | None = None) -> int:
    """Serve, request, print; 1 if a demand was not met."""
    parser = make_parser(__doc__)
    parser.add_argument("model", help="folder or repo id of a published model")
    parser.add_argument(
        "--images", "--pictures", type=Path, metavar="FOLDER", help="images to send instead of phantoms"
    )
    parser.add_argument("--clients", type=int, default=50, help="%(default)s")
    parser.add_argument("--requests", type=int, default=20, help="requests of every client (%(default)s)")
    options = parser.parse_args(arguments)
    images = _read(options.images) if options.images else [png(pixels) for pixels in phantoms(PHANTOMS)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--model", options.model, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            _wait_until_listening(server)
            url = f"http://127.0.0.1:{port}/gradio_api"
            return _measure(url, server.pid, images, options.clients, options.requests)
        finally:
            server.terminate()


def _read(folder: Path) -> list[bytes]:
    return [file.path.read_bytes() for file in find([str(folder)])]


def _wait_until_listening(server: subprocess.Popen) -> None:
    for line in server.stdout:
        if "Listening" in line:
            return
    raise SystemExit("error: the app did not start")


def _measure(url: str, pid: int, images: Sequence[bytes], clients: int, requests: int) -> int:
    alone = [_answer(url, image) for image in images]
    before = _resident_mib(pid)

    def client(number: int) -> Counter[str]:
        turns = [(number + turn) % len(images) for turn in range(requests)]
        return Counter(_outcome(_answer(url, images[turn]), alone[turn]) for turn in turns)

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        outcomes = sum(pool.map(client, range(clients)), Counter())
    rate = outcomes.total() / (time.perf_counter() - start)
    after = _settled_mib(pid, before)
    right, busy = outcomes.pop("right", 0), outcomes.pop("busy", 0)
    print(f"{clients} clients, {requests} requests each, {rate:.1f} requests/s")
    print(f"right {right}, busy {busy}, anything else {dict(outcomes) or 0}")
    print(f"memory before {before} MiB, after {after} MiB")
    return int(bool(outcomes) or after - before > MOST_MORE_MIB)


def _outcome(answer: Answer, alone: Answer) -> str:
    """What an answer was, in comparison with that to the same image alone: "right", "wrong", "busy" or a message."""
    if answer == alone:
        return "right"
    if isinstance(answer, dict):
        return "wrong"
    return "busy" if answer.startswith("Busy") else answer


def _answer(url: str, image: bytes) -> Answer:
    try:
        path = _upload(url, image)
        data = json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}).encode()
        event = _post(f"{url}/call/predict", data, "application/json")["event_id"]
        with urllib.request.urlopen(f"{url}/call/predict/{event}", timeout=_TIMEOUT_SECONDS) as stream:
            events = stream.read().decode()
    except urllib.error.HTTPError as error:
        return _refusal(error)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    kind, text = events.rsplit("event: ", 1)[1].split("\ndata: ", 1)
    content = json.loads(text)
    if kind == "complete":
        return content[0]
    return str(content.get("error") if isinstance(content, dict) else content)


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


def _upload(url: str, image: bytes) -> str:
    """Upload an image as a multipart form; returns its path on the server."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
    body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    return _post(f"{url}/upload", body, f"multipart/form-data; boundary={boundary}")[0]


def _post(url: str, body: bytes, content_type: str) -> dict | list:
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        return json.loads(response.read())


def _settled_mib(pid: int, before: int) -> int:
    """Resident MiB once the server has had time to give memory back."""
    for _ in range(_SETTLING_SECONDS):
        if _resident_mib(pid) <= before:
            break
        time.sleep(1)
    return _resident_mib(pid)


def _resident_mib(pid: int) -> int:
    return process_bytes("VmRSS", pid) >> 20


if __name__ == "__main__":
    sys.exit(main())
