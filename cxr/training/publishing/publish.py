"""Publishing a finished model folder to the Hub: one commit, no pickle, pulled back and compared; its Space if asked.

`Trainer(push_to_hub=True)` fails before training if the Hub is down, makes several commits and uploads a pickle of its
arguments with local paths; so the Trainer never pushes, and this module does once, at the end.
"""

import argparse
import filecmp
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from huggingface_hub import HfApi
from transformers import AutoModelForImageClassification

from cxr import hub
from cxr.cli import OneLineErrors, command
from cxr.errors import UserError, one_line
from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from cxr.training.arguments import RunArguments
from cxr.training.publishing import repo_files, space, tags

LOGIT_TOLERANCE = 1e-5
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Destination:
    """Where a model goes: its repo, the tag of its commit, the Space that shows it, and whether both are private."""

    repo_id: str
    tag: str | None = None
    space: str | None = None
    private: bool | None = None

    @classmethod
    def of(cls, run: RunArguments) -> "Destination":
        """Where a run's settings send its model."""
        return cls(run.hub_model_id, run.hub_tag, run.hub_space, run.hub_private_repo)


@dataclass(frozen=True)
class Publication:
    """What was published, at which commits."""

    to: Destination
    revision: str
    space_revision: str | None = None

    def __str__(self) -> str:
        """A line for the model and, if there is one, a line for its Space."""
        said = f"published {self.to.repo_id} at revision {self.revision}"
        if not self.to.space:
            return said
        secret = "; give it a secret HF_TOKEN that may read the private model" if self.to.private else ""
        return f"{said}\npublished the Space {self.to.space} at revision {self.space_revision}{secret}"


def preflight(wanted: Destination, folder: Path | None = None) -> Destination:
    """Find out whether this can be published, before training or an upload; returns it with the ids' owners.

    With the finished `folder`, a tag is free too if it stands on this very content: then an earlier publication broke
    off after its tag was made, and goes on. A private model's Space is private as well.

    Raises:
        UserError: if the Hub cannot be reached, refuses, or holds something else where this should go.
    """
    if wanted.tag:
        tags.require_valid(wanted.tag)
    found = replace(wanted, repo_id=hub.preflight(wanted.repo_id, wanted.private))
    try:
        hub.require_only(found.repo_id, repo_files.PATTERNS)
        tagged = tags.commit_of(found.repo_id, found.tag) if found.tag else None
        if tagged and not (folder and tags.holds(found.repo_id, tagged, repo_files.files(folder, found.repo_id))):
            raise tags.TagTaken(f"{found.repo_id} has a tag {found.tag} already, on another content: choose another")
        return _with_space(found) if found.space else found
    except hub.HUB_ERRORS as error:
        raise hub.explain(error, found.repo_id) from error


def _with_space(found: Destination) -> Destination:
    private = found.private or HfApi().model_info(found.repo_id).private or None
    space_id = hub.preflight(found.space, private, repo_type="space")
    hub.require_only(space_id, space.PATTERNS, repo_type="space")
    return replace(found, space=space_id, private=private)


def publish(folder: Path, to: Destination) -> Publication:
    """Upload a model folder in one commit, tag it, pull it back and compare; then the Space, pinned to that commit.

    Publishing the same content again makes no second commit, and goes on where an earlier attempt broke off.

    Raises:
        UserError: if it could not be published. The folder is untouched; the message says how to try again.
    """
    with _trouble("not published", folder, to):
        to = preflight(to, folder)
        sha = _send(folder, to)
    done = f"{to.repo_id} is published at revision {sha}"
    with _trouble(f"{done}, but could not be pulled back and compared", folder, to):
        _compare(folder, hub.pull(to.repo_id, sha).folder)
    if not to.space:
        return Publication(to, sha)
    with _trouble(f"{done}, but its Space {to.space} is not", folder, to):
        return Publication(to, sha, space.publish(folder, to.repo_id, sha, to.space))


@contextmanager
def _trouble(what: str, folder: Path, to: Destination) -> Iterator[None]:
    try:
        yield
    except (UserError, *hub.HUB_ERRORS) as error:
        reason = error if isinstance(error, UserError) else hub.explain(error, to.repo_id)
        to = replace(to, tag=None) if isinstance(error, tags.TagTaken) else to
        later = f"Nothing trained is lost; publish it later with: {shell_command(folder, to)}"
        raise UserError(f"{what}: {one_line(reason)}. {later}") from error


def shell_command(folder: Path, to: Destination) -> str:
    """The shell command that publishes `folder`, to be copied as it stands into the shell this process came from."""
    on_path = shutil.which("python")
    python = "python" if on_path and Path(on_path) == Path(sys.executable) else sys.executable
    at_home = Path.cwd() == _ROOT
    said = [python, "-m", "cxr.training.publish", str(folder if at_home else folder.resolve()), to.repo_id]
    said += ["--tag", to.tag] if to.tag else []
    said += ["--space", to.space] if to.space else []
    said += ["--private"] if to.private else []
    return shlex.join(said) if at_home else f"cd {shlex.quote(str(_ROOT))} && {shlex.join(said)}"


def _send(folder: Path, to: Destination) -> str:
    """Commit and tag, or find both done; returns the commit's sha."""
    tagged = tags.commit_of(to.repo_id, to.tag) if to.tag else None
    if tagged:
        return tagged
    message = f"Publish {to.tag or 'the trained model'}"
    sha = hub.commit(to.repo_id, repo_files.files(folder, to.repo_id), message)
    if to.tag:
        HfApi().create_tag(to.repo_id, tag=to.tag, revision=sha)
    return sha


def _compare(trained: Path, pulled: Path) -> None:
    difference = (phantom_logits(trained) - phantom_logits(pulled)).abs().max().item()
    if not difference <= LOGIT_TOLERANCE:
        raise UserError(f"the pulled model's logits differ from the trained one's by {difference:.2g}")
    gate = repo_files.GATE
    if (trained / gate).is_file() and not (
        (pulled / gate).is_file() and filecmp.cmp(trained / gate, pulled / gate, shallow=False)
    ):
        raise UserError(f"the pulled {gate} is not the one that was sent")


@torch.inference_mode()
def phantom_logits(folder: Path) -> torch.Tensor:
    """Logits float32 (4, 2) of the model in `folder` on four fixed phantoms, two of each class."""
    model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
    phantoms = [draw_phantom(seed, label).image for seed in (0, 1) for label in (NON_COVID, COVID)]
    return model(to_pixel_values(phantoms, load_processor(folder))).logits


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m cxr.training.publish", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the `model/` folder of a finished run")
    parser.add_argument("repo_id", help="USER/NAME on the Hub")
    parser.add_argument("--tag", help="tag for the commit, such as v1")
    parser.add_argument("--space", metavar="USER/NAME", help="publish a Space too, which answers with this very commit")
    parser.add_argument("--private", action="store_true", default=None, help="create the repos as private ones")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Publish a finished run from the command line."""
    arguments = _parser().parse_args(argv)
    repo_files.files(arguments.folder, arguments.repo_id)
    to = Destination(arguments.repo_id, arguments.tag, arguments.space, arguments.private)
    print(publish(arguments.folder, to))
