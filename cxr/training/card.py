"""Write the card of a finished run again, from the files in its model folder: `python -m cxr.training.card FOLDER`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.training.reporting.model_card import read_facts, write_card


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Write `README.md` from the command line."""
    parser = OneLineErrors(prog="python -m cxr.training.card", description="Write README.md again from a run's files.")
    parser.add_argument("folder", type=Path, help="the `model/` folder of a finished run")
    parser.add_argument("--repo_id", help="USER/NAME from which the card says that the model can be loaded")
    arguments = parser.parse_args(argv)
    write_card(arguments.folder, *read_facts(arguments.folder), arguments.repo_id)
    print(arguments.folder / "README.md")


if __name__ == "__main__":
    sys.exit(main())
