"""Publishing a finished model folder on the Hub: one commit without pickles, pulled back and compared, and a Space.

`Trainer(push_to_hub=True)` fails before training if the Hub is down, makes several commits and uploads a pickle of its
arguments with local paths. So the Trainer never pushes; this module does, once, at the end.
"""

import filecmp
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import AutoModelForImageClassification

from cxr import hub
from cxr.errors import UserError, one_line
from cxr.imaging.preprocess import load_processor, to_pixel_values
from cxr.phantom import draw_phantom
from cxr.schema.labels import COVID, NON_COVID
from cxr.schema.model_repo import GATE
from cxr.training.publishing import model_repo, space

LOGIT_TOLERANCE = 1e-5
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Destination:
    """Where a model goes: its repo, the tag of its commit, the Space that shows it, and whether both are private."""

    repo_id: str
    tag: str | None = None
    space: str | None = None
    private: bool | None = None


@dataclass(frozen=True)
class Publication:
    """What was published, and at which commits."""

    to: Destination
    revision: str
    space_revision: str | None = None

    def __str__(self) -> str:
        """A line for the model and, if there is one, a line for its Space."""
        model = f"published {self.to.repo_id} at revision {self.revision}"
        if not self.to.space:
            return model
        secret = "; give it a secret HF_TOKEN that may read the private model" if self.to.private else ""
        return f"{model}\npublished the Space {self.to.space} at revision {self.space_revision}{secret}"


def preflight(wanted: Destination, folder: Path | None = None) -> Destination:
    """Check, before training or an upload, that this can be published; returns it with the owners of the ids.

    With the finished `folder`, an existing tag is accepted if it names this very content: then an earlier publication
    broke off after tagging, and is continued. The Space of a private model is private as well.

    Raises:
        UserError: if the Hub cannot be reached, refuses, or holds something else at the destination.
    """
    if wanted.tag:
        model_repo.require_valid_tag(wanted.tag)
    if wanted.space:
        space.require_checkout()
    to = replace(wanted, repo_id=hub.preflight(wanted.repo_id, wanted.private))
    with hub.explained(to.repo_id):
        hub.require_only(to.repo_id, model_repo.PATTERNS)
        _find_tag(to, folder)
        return _preflight_space(to, to.space) if to.space else to


def _find_tag(to: Destination, folder: Path | None) -> str | None:
    """The commit that the tag names already, if it has the content of `folder`; None if there is no such tag."""
    tagged = model_repo.tagged_commit(to.repo_id, to.tag) if to.tag else None
    if tagged and not (folder and model_repo.holds(to.repo_id, tagged, model_repo.files(folder, to.repo_id))):
        raise model_repo.TagTakenError(f"{to.repo_id} has a tag {to.tag} already, on another content: choose another")
    return tagged


def _preflight_space(to: Destination, wanted: str) -> Destination:
    private = to.private or hub.api().model_info(to.repo_id).private or None
    space_id = hub.preflight(wanted, private, repo_type="space")
    hub.require_only(space_id, space.PATTERNS, repo_type="space")
    return replace(to, space=space_id, private=private)


def publish(folder: Path, wanted: Destination) -> Publication:
    """Check that a finished model folder can be published there, and `upload` it.

    Raises:
        UserError: if it could not be published. The folder is unchanged; the message says how to try again.
    """
    with _trouble("not published", folder, wanted):
        to = preflight(wanted, folder)
    return upload(folder, to)


def upload(folder: Path, to: Destination) -> Publication:
    """Upload a model folder in one commit, tag it, pull it back and compare; then the Space, pinned to that commit.

    `to` is what `preflight` returned. Publishing the same content again makes no second commit, and continues an
    earlier attempt that broke off.

    Raises:
        UserError: if it could not be published. The folder is unchanged; the message says how to try again.
    """
    with _trouble("not published", folder, to):
        sha = _commit_and_tag(folder, to)
    done = f"{to.repo_id} is published at revision {sha}"
    with _trouble(f"{done}, but could not be pulled back and compared", folder, to):
        _compare(folder, hub.pull(to.repo_id, sha).folder)
    if not to.space:
        return Publication(to, sha)
    with _trouble(f"{done}, but its Space {to.space} is not", folder, to):
        return Publication(to, sha, space.publish_space(folder, to.repo_id, sha, to.space))


@contextmanager
def _trouble(what: str, folder: Path, to: Destination) -> Iterator[None]:
    """Turn an error into one line that ends with the command that publishes the folder later."""
    try:
        yield
    except (UserError, *hub.HUB_ERRORS) as error:
        reason = error if isinstance(error, UserError) else hub.explain(error, to.repo_id)
        to = replace(to, tag=None) if isinstance(error, model_repo.TagTakenError) else to
        later = f"Nothing trained is lost; publish it later with: {shell_command(folder, to)}"
        raise UserError(f"{what}: {one_line(reason)}. {later}") from error


def shell_command(folder: Path, to: Destination) -> str:
    """The shell command that publishes `folder`, ready to be pasted into the shell that started this process."""
    on_path = shutil.which("python")
    python = "python" if on_path and Path(on_path) == Path(sys.executable) else sys.executable
    at_root = Path.cwd() == _ROOT
    words = [python, "-m", "cxr.training.publish", str(folder if at_root else folder.resolve()), to.repo_id]
    words += ["--tag", to.tag] if to.tag else []
    words += ["--space", to.space] if to.space else []
    words += ["--private"] if to.private else []
    return shlex.join(words) if at_root else f"cd {shlex.quote(str(_ROOT))} && {shlex.join(words)}"


def _commit_and_tag(folder: Path, to: Destination) -> str:
    """Commit and tag, unless both were done before; returns the commit's sha."""
    tagged = _find_tag(to, folder)
    if tagged:
        return tagged
    message = f"Publish {to.tag or 'the trained model'}"
    sha = hub.commit(to.repo_id, model_repo.files(folder, to.repo_id), message, replace=model_repo.PATTERNS)
    if to.tag:
        hub.api().create_tag(to.repo_id, tag=to.tag, revision=sha)
    return sha


def _compare(trained: Path, pulled: Path) -> None:
    difference = (phantom_logits(trained) - phantom_logits(pulled)).abs().max().item()
    if not difference <= LOGIT_TOLERANCE:
        raise UserError(f"the pulled model's logits differ from the trained one's by {difference:.2g}")
    if (trained / GATE).is_file() and not (
        (pulled / GATE).is_file() and filecmp.cmp(trained / GATE, pulled / GATE, shallow=False)
    ):
        raise UserError(f"the pulled {GATE} differs from the one that was sent")


@torch.inference_mode()
def phantom_logits(folder: Path) -> torch.Tensor:
    """Logits float32 (4, 2) of the model in `folder` on four fixed phantoms, two of each class."""
    model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
    phantoms = [draw_phantom(seed, label).image for seed in (0, 1) for label in (NON_COVID, COVID)]
    return model(to_pixel_values(phantoms, load_processor(folder))).logits
