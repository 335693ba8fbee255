"""Many clients at once against the real server: is every answer right, is "busy" all that is refused, is memory freed?

Starts `app.py`, asks about each picture once, then lets clients upload them and ask over plain HTTP, each waiting for
its answer before the next question; without a folder, the pictures are phantoms. Prints how many were answered, how
many were told that the app is busy, what else went wrong ("wrong": another answer than the same file got alone),
requests a second, and the server's memory before and after (Linux only, `/proc`). Demanded: nothing wrong,
and at most 100 MiB more.

    python benchmarks/load.py MODEL [--pictures FOLDER] [--clients 50] [--requests 20]
"""

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cxr.phantom import draw_phantom
from cxr.serving.heatmap import png
from cxr.serving.input_files import find

ROOT = Path(__file__).resolve().parents[1]
PHANTOMS = 10
MOST_MORE = 100
_WAIT = 120


def main(arguments: list[str] | None = None) -> int:
    """Serve, ask, print; 1 if a demand was not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or repo id of a published model")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=20)
    args = parser.parse_args(arguments)
    pictures = (
        _read(args.pictures) if args.pictures else [png(draw_phantom(seed, seed % 2).image) for seed in range(PHANTOMS)]
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--model", args.model, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            return _ask_all(f"http://127.0.0.1:{port}/gradio_api", server, pictures, args.clients, args.requests)
        finally:
            server.terminate()


def _read(folder: Path) -> list[bytes]:
    return [found.path.read_bytes() for found in find([str(folder)])]


def _ask_all(url: str, server: subprocess.Popen, pictures: list[bytes], clients: int, requests: int) -> int:
    while "Listening" not in (line := server.stdout.readline()):
        if not line:
            raise SystemExit("error: the app did not start")
    alone = [_ask(url, picture) for picture in pictures]
    before = _memory(server.pid)

    def client(number: int) -> Counter:
        turns = ((number + turn) % len(pictures) for turn in range(requests))
        return Counter(_judged(_ask(url, pictures[turn]), alone[turn]) for turn in turns)

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        came = sum(pool.map(client, range(clients)), Counter())
    rate = sum(came.values()) / (time.perf_counter() - start)
    after = _settled(server.pid, before)
    print(f"{clients} clients, {requests} requests each, {rate:.1f} requests/s")
    print(f"right {came.pop('right', 0)}, busy {came.pop('busy', 0)}, anything else {dict(came) or 0}")
    print(f"memory before {before} MiB, after {after} MiB")
    return int(bool(came) or after - before > MOST_MORE)


def _judged(answer: dict | str, alone: dict | str) -> str:
    if answer == alone:
        return "right"
    return "wrong" if isinstance(answer, dict) else "busy" if answer.startswith("Busy") else answer


def _ask(url: str, picture: bytes) -> dict | str:
    """The answer, or the sentence that came in its place."""
    try:
        where = _upload(url, picture)
        data = json.dumps({"data": [{"path": where, "meta": {"_type": "gradio.FileData"}}]}).encode()
        event = _post(f"{url}/call/predict", data, "application/json")["event_id"]
        with urllib.request.urlopen(f"{url}/call/predict/{event}", timeout=_WAIT) as stream:
            said = stream.read().decode()
    except urllib.error.HTTPError as error:
        return _refusal(error)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    kind, content = said.rsplit("event: ", 1)[1].split("\ndata: ", 1)
    found = json.loads(content)
    return found[0] if kind == "complete" else str(found.get("error") if isinstance(found, dict) else found)


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


def _upload(url: str, picture: bytes) -> str:
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{edge}--\r\n".encode()
    return _post(f"{url}/upload", body, f"multipart/form-data; boundary={edge}")[0]


def _post(url: str, body: bytes, kind: str) -> object:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=_WAIT) as response:
        return json.loads(response.read())


def _settled(pid: int, before: int) -> int:
    """MiB once the server has had half a minute to give memory back."""
    for _ in range(30):
        if (now := _memory(pid)) <= before:
            break
        time.sleep(1)
    return now


def _memory(pid: int) -> int:
    """Resident MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) >> 10


if __name__ == "__main__":
    sys.exit(main())
