"""Publishing a prepared dataset on the Hub: one commit of the live shards, the card and the report without its lists.

The review folder stays on the user's disk, and so does everything that names a file or a patient outside the rows.
"""

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import OneLineErrors, command
from cxr.errors import UserError, one_line
from cxr.hub import HUB_ERRORS, commit, explain, preflight
from cxr.schema.dataset_card import CARD, REPORT, live_report, live_shards
from cxr.schema.report import Report, without_lists
from dataset_script.card import compose_card


def publish_dataset(folder: Path, repo_id: str, private: bool | None = None) -> str:
    """Publish the dataset in `folder` in one commit, replacing the shards of an earlier one; returns the commit's sha.

    Other files of the repo stay.

    Raises:
        UserError: if it could not be published. The folder is unchanged; the message says how to try again.
    """
    try:
        repo_id = preflight(repo_id, private, repo_type="dataset")
        message = "Publish the prepared dataset"
        return commit(repo_id, _public_files(folder), message, repo_type="dataset", replace=("data/*",))
    except (UserError, *HUB_ERRORS) as error:
        reason = error if isinstance(error, UserError) else explain(error, repo_id)
        raise UserError(f"not published: {one_line(reason)}. {_later(folder, repo_id, private)}") from error


def _public_files(folder: Path) -> dict[str, Path | bytes]:
    """The content, or the file on disk, of each file of the repo."""
    report: Report = json.loads(live_report(folder).read_text(encoding="utf-8"))
    shards = live_shards(folder)
    files: dict[str, Path | bytes] = {name: folder / name for names in shards.values() for name in names}
    files[CARD] = compose_card(report, shards, folder, REPORT).encode()
    files[REPORT] = (json.dumps(without_lists(report), indent=1) + "\n").encode()
    return files


def _later(folder: Path, repo_id: str, private: bool | None) -> str:
    words = ["python", "-m", "dataset_script.publish", str(folder), repo_id, *(["--private"] if private else [])]
    return f"The dataset is complete in {folder}; publish it later with: {shlex.join(words)}"


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m dataset_script.publish", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a dataset prepared by `python -m dataset_script`")
    parser.add_argument("repo_id", help="USER/NAME on the Hub")
    parser.add_argument("--private", action="store_true", default=None, help="create the repo as a private one")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Publish a prepared dataset from the command line."""
    arguments = _parser().parse_args(argv)
    if not live_shards(arguments.folder) or not live_report(arguments.folder).is_file():
        raise UserError(f"{arguments.folder} is no dataset prepared by `python -m dataset_script`")
    sha = publish_dataset(arguments.folder, arguments.repo_id, arguments.private)
    print(f"published {arguments.repo_id} at revision {sha}")


if __name__ == "__main__":
    raise SystemExit(main())
