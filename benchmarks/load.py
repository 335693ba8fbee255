"""Many clients at once against the app, some of them hostile: right answers, waiting times, memory afterwards.

Starts `app.py`, sends every image once, then lets clients upload images and request answers over plain HTTP, each
waiting for its answer before the next request; then once more with a share of hostile files and requests among them.
Prints how many answers were right (the same as the image got alone), how many requests were refused because the app was
busy, everything else, requests per second, the 95th percentile of the time to an honest answer, and the memory of the
server and its processes before and after (Linux only). Demanded: nothing else and at most 100 MiB more, exit code 1
otherwise; with hostile requests the waiting time should be at most 1.5 times that without.

    python benchmarks/load.py MODEL [--images FOLDER] [--clients 50] [--requests 20] [--hostile 0.05] [--settle 40]
"""

import argparse
import contextlib
import json
import random
import socket
import struct
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

import numpy as np
from measure import ROOT, make_parser, phantoms, process_bytes
from mutations import mutants

from cxr.serving.heatmap import png
from cxr.serving.input_files import find

PHANTOMS = 10
MOST_MORE_MIB = 100
MOST_TIMES = 1.5
_TIMEOUT_SECONDS = 120

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
    parser.add_argument("--hostile", type=float, default=0.05, help="share of hostile requests (%(default)s)")
    parser.add_argument("--settle", type=int, default=40, help="seconds for memory to be given back (%(default)s)")
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
            return _measure(url, server.pid, images, options)
        finally:
            server.terminate()


def _read(folder: Path) -> list[bytes]:
    return [file.path.read_bytes() for file in find([str(folder)])]


def _wait_until_listening(server: subprocess.Popen) -> None:
    for line in server.stdout:
        if "Listening" in line:
            return
    raise SystemExit("error: the app did not start")


def _measure(url: str, pid: int, images: Sequence[bytes], options: argparse.Namespace) -> int:
    clients, requests = options.clients, options.requests
    alone = [request_answer(url, image) for image in images]
    before = _resident_mib(pid)
    failed, waits = False, []
    for share in (0.0, options.hostile) if options.hostile else (0.0,):
        load = Load(url, images, alone, share)
        start = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(load.client, range(clients), [requests] * clients))
        rate = clients * requests / (time.perf_counter() - start)
        waits.append(float(np.percentile(load.seconds, 95)))
        right, busy = load.outcomes.pop("right", 0), load.outcomes.pop("busy", 0)
        print(f"{clients} clients, {requests} requests each, {share:.0%} hostile, {rate:.1f} requests/s")
        print(f"right {right}, busy {busy}, anything else {dict(load.outcomes) or 0}")
        print(f"95 % of honest answers within {waits[-1]:.2f} s; hostile requests: {dict(load.refusals) or 0}")
        failed |= bool(load.outcomes)
        after = _settled_mib(pid, before, options.settle)
        print(f"memory before {before} MiB, after {after} MiB")
    if len(waits) > 1:
        print(f"ratio of waiting times: {waits[1] / waits[0]:.2f} (target: at most {MOST_TIMES})")
    return int(failed or after - before > MOST_MORE_MIB)


class Load:
    """What clients send, and what came of it.

    Attributes:
        outcomes: of honest requests (`_outcome`).
        refusals: of hostile ones, whether they got an answer, a reason, or "no reason".
        seconds: from the start of an honest request to its answer.
    """

    def __init__(self, url: str, images: Sequence[bytes], alone: Sequence[Answer], share: float):
        self._url, self._images, self._alone, self._share = url, images, alone, share
        self.outcomes, self.refusals = Counter[str](), Counter[str]()
        self.seconds: list[float] = []

    def client(self, number: int, requests: int) -> None:
        """Send one request after another."""
        rng, hostile = random.Random(number), mutants(number)
        for turn in range(number, number + requests):
            if rng.random() < self._share:
                self.refusals[self._attack(next(hostile).content, rng)] += 1
                continue
            start = time.perf_counter()
            answer = request_answer(self._url, self._images[turn % len(self._images)])
            self.seconds.append(time.perf_counter() - start)
            self.outcomes[_outcome(answer, self._alone[turn % len(self._images)])] += 1

    def _attack(self, content: bytes, rng: random.Random) -> str:
        """Send a mutated file, one that takes long to decode, or a request that is none."""
        kind = rng.randrange(4)
        if kind == 0:
            answer = request_answer(self._url, _slow_bmp(4000))
        elif kind == 1:
            answer = _result(self._url, rng.choice(_NO_REQUESTS))
        else:
            answer = request_answer(self._url, content)
        if isinstance(answer, dict):
            return "answered"
        return "no reason" if answer in ("", "None") or answer.startswith("HTTP 5") else "refused"


_NO_REQUESTS: tuple[list[object], ...] = (
    [],
    [{}],
    [1, 2, 3],
    [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}],
    [{"url": "http://127.0.0.1:9/"}],
)


def _slow_bmp(side: int) -> bytes:
    """A BMP in run lengths, which Pillow decodes in Python: seconds for a file of some kilobytes a row."""
    row = b"\xff\7" * (side // 255) + bytes((side % 255, 7)) + b"\0\0"
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, side * len(row), 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", start + side * len(row), 0, 0, start) + header + bytes(1024) + side * row


def _outcome(answer: Answer, alone: Answer) -> str:
    """What an answer was, in comparison with that to the same image alone: "right", "wrong", "busy" or a message."""
    if answer == alone:
        return "right"
    if isinstance(answer, dict):
        return "wrong"
    return "busy" if answer.startswith("Busy") else answer


def request_answer(url: str, image: bytes) -> Answer:
    """Upload an image and ask for an answer, at the app's address with its `/gradio_api`."""
    try:
        return _result(url, [{"path": _upload(url, image), "meta": {"_type": "gradio.FileData"}}])
    except urllib.error.HTTPError as error:
        return _refusal(error)
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def _result(url: str, inputs: list[object]) -> Answer:
    """What the API answers to these inputs."""
    try:
        data = json.dumps({"data": inputs}).encode()
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


def _settled_mib(pid: int, before: int, seconds: int) -> int:
    """Resident MiB once the server has had time to give memory back."""
    for _ in range(seconds):
        if _resident_mib(pid) <= before:
            break
        time.sleep(1)
    return _resident_mib(pid)


def _resident_mib(pid: int) -> int:
    """What the server and the processes that decode for it hold."""
    total = process_bytes("VmRSS", pid)
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError, StopIteration):  # either may end at any time
            children = (task / "children").read_text(encoding="ascii").split()
            total += sum([process_bytes("VmRSS", child) for child in children])
    return total >> 20


if __name__ == "__main__":
    sys.exit(main())
