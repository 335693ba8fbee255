"""Publish a finished model folder on the Hub: `python -m cxr.training.publish FOLDER USER/NAME`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.training.publishing import model_repo, publication
from cxr.training.publishing.publication import Destination


def _parser() -> argparse.ArgumentParser:
    description = "Publish a finished model folder in one commit, pull it back and compare."
    parser = OneLineErrors(prog="python -m cxr.training.publish", description=description)
    parser.add_argument("folder", type=Path, help="the `model/` folder of a finished run")
    parser.add_argument("repo_id", help="USER/NAME on the Hub")
    parser.add_argument("--tag", help="tag for the commit, such as v1")
    parser.add_argument("--space", metavar="USER/NAME", help="publish a Space as well, pinned to this very commit")
    parser.add_argument("--private", action="store_true", default=None, help="create private repos")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Publish from the command line."""
    arguments = _parser().parse_args(argv)
    model_repo.files(arguments.folder, arguments.repo_id)
    to = Destination(arguments.repo_id, arguments.tag, arguments.space, arguments.private)
    print(publication.publish(arguments.folder, to))


if __name__ == "__main__":
    sys.exit(main())
