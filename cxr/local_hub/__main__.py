"""`python -m cxr.local_hub`: serve the embedded Hub until interrupted."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.local_hub.access import TOKEN, USER
from cxr.local_hub.server import LocalHub, is_loopback


def _arguments(argv: Sequence[str] | None) -> tuple[Path, str, int]:
    parser = OneLineErrors(prog="python -m cxr.local_hub", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--root", type=Path, required=True, help="folder that holds the repos; made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s: reachable from this machine only")
    given = parser.parse_args(argv)
    return given.root, given.host, given.port


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    root, host, port = _arguments(argv)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with LocalHub(root, port, host=host) as hub:
        if not is_loopback(host):
            print(f"warning: --host {host} lets other machines in, without authentication", file=sys.stderr)
        print(f"embedded Hub at {hub.url} (user {USER}, token {TOKEN}, files in {root})", flush=True)
        ended.wait()


if __name__ == "__main__":
    sys.exit(main())
