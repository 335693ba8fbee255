"""The app: a web page and an API that answer for a published model."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxr.cli import OneLineErrors, command, end_on_signals, let_threads_sleep
from cxr.errors import UserError

if TYPE_CHECKING:
    from gradio import Blocks

README = Path(__file__).with_name("README.md")
SPACE_PORT = 7860


def parser() -> argparse.ArgumentParser:
    """The command line; the environment stands in for flags that are not given."""
    parser = OneLineErrors(prog="app.py", description=__doc__)
    parser.add_argument(
        "--model", metavar="ID|DIR", help="repo id or folder (else MODEL_ID, else the first of README.md's models)"
    )
    parser.add_argument("--revision", help="branch, tag or commit to pin (else MODEL_REVISION, else the newest)")
    parser.add_argument("--exact", action="store_true", help="float32 and full decoding, slower; equals pipeline()")
    parser.add_argument("--host", help="address to listen on (127.0.0.1; on a Space 0.0.0.0)")
    parser.add_argument("--port", type=_port, help="port to listen on (the first free one from 7860; on a Space 7860)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def address(args: argparse.Namespace) -> tuple[str, int | None]:
    """Host and port: this machine alone, or what a Space forwards; no port means the first free one."""
    if _on_space():
        return args.host or "0.0.0.0", args.port or SPACE_PORT
    return args.host or "127.0.0.1", args.port


def _on_space() -> bool:
    return bool(os.environ.get("SPACE_ID"))


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Load the model and serve until stopped."""
    args = parser().parse_args(argv)
    end_on_signals()
    let_threads_sleep()
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from cxr.serving.web import server

    server.check_port(*address(args))
    page, description = build_page(args)
    url = server.launch(page, *address(args))
    print(f"{description}\nListening on {url}", flush=True)
    page.block_thread()


def build_page(args: argparse.Namespace) -> tuple["Blocks", str]:
    """The page to serve and a line about it; without a model, a Space gets a page that says so.

    Raises:
        UserError: elsewhere, if the model cannot be loaded or fails its self-check.
    """
    from cxr.serving.predictor import Predictor
    from cxr.serving.self_check import check_on_phantoms
    from cxr.serving.web import interface
    from cxr.serving.web.model_choice import choose_model

    try:
        model, revision = choose_model(args.model, args.revision, README)
        if model is None:
            return interface.build_without_model("no model was named", _on_space()), "No model is loaded: see the page."
        predictor = Predictor.load(model, revision, "exact" if args.exact else "fast")
        check_on_phantoms(predictor)
    except UserError as error:
        if not _on_space():
            raise
        return interface.build_without_model(str(error), on_space=True), f"No model is loaded: {error}"
    pulled = predictor.pulled
    warning = f"Warning: {pulled.outage}. Serving the last revision downloaded.\n" if pulled.outage else ""
    runtime = ": ".join(filter(None, [predictor.computed_by, predictor.runtime_note]))
    return interface.build(predictor), f"{warning}Answering with {pulled.repo_id}@{pulled.revision} ({runtime})"


if __name__ == "__main__":
    sys.exit(main())
