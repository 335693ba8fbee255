"""`python -m cxr.local_hub`: serve the embedded Hub until interrupted."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.local_hub.access import TOKEN, USER
from cxr.local_hub.server import LocalHub, is_loopback


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m cxr.local_hub", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 picks a free one")
    parser.add_argument("--root", type=Path, required=True, help="folder that holds the repos; created if missing")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s: reachable from this machine only")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    arguments = _parser().parse_args(argv)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with LocalHub(arguments.root, arguments.port, host=arguments.host) as hub:
        if not is_loopback(hub.host):
            print(f"warning: --host {hub.host} lets other machines in, without authentication", file=sys.stderr)
        print(f"embedded Hub at {hub.url} (user {USER}, token {TOKEN}, files in {hub.root})", flush=True)
        ended.wait()


if __name__ == "__main__":
    sys.exit(main())
