"""Publishing a prepared dataset to the Hub: one commit of the live shards, the card and the report without its lists.

Contact sheets and other pictures stay at home; so does everything that names a file or a patient outside the rows.
"""

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from cxr import hub
from cxr.cli import OneLineErrors, command
from cxr.errors import UserError, one_line
from cxr.hub import preflight
from cxr.schema.dataset_card import live_report, live_shards
from dataset_script.card import compose_card


def publish(folder: Path, repo_id: str, private: bool | None = None) -> str:
    """Publish the dataset in `folder` in one commit, replacing the shards that stood there; returns the commit's sha.

    Raises:
        UserError: if it could not be published. The folder is untouched; the message says how to try again.
    """
    try:
        repo_id = preflight(repo_id, private, repo_type="dataset")
        api, sending = HfApi(), _operations(folder)
        there = api.list_repo_files(repo_id, repo_type="dataset")
        named = {operation.path_in_repo for operation in sending}
        stale = [name for name in there if name.startswith("data/") and name not in named]
        sha = api.create_commit(
            repo_id,
            [*sending, *(CommitOperationDelete(name) for name in stale)],
            commit_message="Publish the prepared dataset",
            repo_type="dataset",
        ).oid
    except (UserError, *hub.HUB_ERRORS) as error:
        reason = error if isinstance(error, UserError) else hub.explain(error, repo_id)
        raise UserError(f"not published: {one_line(reason)}. {_later(folder, repo_id, private)}") from error
    return sha


def _operations(folder: Path) -> list[CommitOperationAdd]:
    report = json.loads(live_report(folder).read_text(encoding="utf-8"))
    public = {key: value for key, value in report.items() if key != "lists"}
    shards = live_shards(folder)
    text = compose_card(report, shards, folder, "report.json")
    files = {"README.md": text.encode(), "report.json": (json.dumps(public, indent=1) + "\n").encode()}
    files |= {name: str(folder / name) for names in shards.values() for name in names}
    return [CommitOperationAdd(name, content) for name, content in files.items()]


def _later(folder: Path, repo_id: str, private: bool | None) -> str:
    command = ["python", "-m", "dataset_script.publish", str(folder), repo_id, *(["--private"] if private else [])]
    return f"The dataset is complete in {folder}; publish it later with: {shlex.join(command)}"


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
    sha = publish(arguments.folder, arguments.repo_id, arguments.private)
    print(f"published {arguments.repo_id} at revision {sha}")


if __name__ == "__main__":
    raise SystemExit(main())
