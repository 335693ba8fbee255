"""The app: pull a published model from the Hub and answer questions about chest X-rays in a web page."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError

if TYPE_CHECKING:
    from gradio import Blocks

README = Path(__file__).with_name("README.md")
SPACE_PORT = 7860


class Choice(NamedTuple):
    """Which model to ask, or none; `revision` None means the newest."""

    model: str | None
    revision: str | None


def parser() -> argparse.ArgumentParser:
    """The command line; the environment stands in for flags that are not given."""
    parser = OneLineErrors(prog="app.py", description=__doc__)
    parser.add_argument(
        "--model", metavar="ID|DIR", help="repo id or folder (else MODEL_ID, else the first of README.md's models)"
    )
    parser.add_argument("--revision", help="branch, tag or commit to pin (else MODEL_REVISION, else the newest)")
    parser.add_argument("--exact", action="store_true", help="float32 and full decoding, slower; what pipeline() gives")
    parser.add_argument("--host", help="address to listen on (127.0.0.1; on a Space 0.0.0.0)")
    parser.add_argument("--port", type=_port, help="port to listen on (the first free one from 7860; on a Space 7860)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def choose(args: argparse.Namespace) -> Choice:
    """Flag, then environment, then README; what pins one model's revision does not pin another's."""
    named = os.environ.get("MODEL_ID")
    replaced = args.model and named and args.model != named
    revision = args.revision or (None if replaced else os.environ.get("MODEL_REVISION"))
    if args.model or named:
        return Choice(args.model or named, revision or None)
    model, pinned = _readme_choice()
    return Choice(model, revision or pinned)


def _readme_choice() -> Choice:
    """The first of the README's `models:`, at the commit that its `preload_from_hub: [ID FILES SHA]` fetches."""
    import yaml
    from huggingface_hub import metadata_load

    try:
        front = (metadata_load(README) or {}) if README.is_file() else {}
        models, preloaded = (_listed(front.get(key)) for key in ("models", "preload_from_hub"))
        pins = {item.split()[0]: item.split()[2] for item in preloaded if len(item.split()) == 3}
    except (ValueError, OSError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"{README.name}: its front matter cannot be read: mend it, or name a --model") from error
    return Choice(models[0], pins.get(models[0])) if models else Choice(None, None)


def _listed(value: object) -> list:
    return value if isinstance(value, list) else [value] if value else []


def address(args: argparse.Namespace) -> tuple[str, int | None]:
    """Host and port: this machine alone, or what a Space forwards; no port means the first free one."""
    return (args.host or "0.0.0.0", args.port or SPACE_PORT) if _on_space() else (args.host or "127.0.0.1", args.port)


def _on_space() -> bool:
    return bool(os.environ.get("SPACE_ID"))


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Choose a model, load it, serve until stopped."""
    args = parser().parse_args(argv)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from cxr.serving.web import server

    server.check_port(*address(args))
    blocks, what = _page(args)
    url = server.launch(blocks, *address(args))
    print(f"{what}\nListening on {url}", flush=True)
    blocks.block_thread()


def _page(args: argparse.Namespace) -> tuple["Blocks", str]:
    """The page to serve and a line that says which; on a Space a missing model is a page too, elsewhere an error."""
    from cxr.serving import self_check
    from cxr.serving.predictor import Predictor
    from cxr.serving.web import interface

    try:
        choice = choose(args)
        if choice.model is None:
            return interface.build_without_model("no model was named", _on_space()), "No model to ask: see the page."
        predictor = Predictor.load(*choice, exact=args.exact)
        self_check.check(predictor)
    except UserError as error:
        if not _on_space():
            raise
        return interface.build_without_model(str(error), True), f"No model to ask: {error}"
    pulled = predictor.pulled
    warning = f"Warning: {pulled.outage}. Serving the last revision pulled.\n" if pulled.outage else ""
    return interface.build(predictor), f"{warning}Answering with {pulled.repo_id}@{pulled.revision}"


if __name__ == "__main__":
    sys.exit(main())
