"""Publishing a finished model folder to the Hub: one commit, no pickle, pulled back and compared.

`Trainer(push_to_hub=True)` fails before training if the Hub is down, makes several commits and uploads a pickle of its
arguments with local paths; so the Trainer never pushes, and this module does once, at the end.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import HfApi
from transformers import AutoModelForImageClassification

from cxr import hub
from cxr.cli import OneLineErrors, UserError, door, one_line
from cxr.hub import preflight
from cxr.labels import COVID, NON_COVID
from cxr.phantom import draw
from cxr.preprocess import load_processor, to_pixel_values

CONTENTS = [
    "README.md",
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "metrics.json",
    "recipe.yaml",
    "dataset_report.json",
    "figures/*.png",
]
LOGIT_TOLERANCE = 1e-5


def publish(folder: Path, repo_id: str, tag: str | None = None, private: bool | None = None) -> str:
    """Upload a model folder in one commit, tag it, pull it back and compare logits; returns the commit's sha.

    Raises:
        UserError: if it could not be published. The folder is untouched; the message says how to try again.
    """
    try:
        repo_id = preflight(repo_id, private)
        api = HfApi()
        if tag and tag in {ref.name for ref in api.list_repo_refs(repo_id).tags}:
            raise UserError(f"{repo_id} has a tag {tag} already: choose another")
        sha = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            allow_patterns=CONTENTS,
            delete_patterns=["figures/*"],
            commit_message=f"Publish {tag or 'the trained model'}",
        ).oid
        if tag:
            api.create_tag(repo_id, tag=tag, revision=sha)
        _compare(folder, hub.pull(repo_id, sha).folder)
    except (UserError, *hub.HUB_ERRORS) as error:
        reason = error if isinstance(error, UserError) else hub.explain(error, repo_id)
        raise UserError(f"not published: {one_line(reason)}. {_later(folder, repo_id, tag)}") from error
    return sha


def _later(folder: Path, repo_id: str, tag: str | None) -> str:
    command = ["python", "-m", "cxr.training.publish", str(folder), repo_id, *(["--tag", tag] if tag else [])]
    return f"Nothing trained is lost; publish it later with: {shlex.join(command)}"


def _compare(trained: Path, pulled: Path) -> None:
    difference = (phantom_logits(trained) - phantom_logits(pulled)).abs().max().item()
    if difference > LOGIT_TOLERANCE:
        raise UserError(f"the pulled model's logits differ from the trained one's by {difference:.2g}")


@torch.inference_mode()
def phantom_logits(folder: Path) -> torch.Tensor:
    """Logits float32 (4, 2) of the model in `folder` on four fixed phantoms, two of each class."""
    model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
    phantoms = [draw(seed, label).image for seed in (0, 1) for label in (NON_COVID, COVID)]
    return model(to_pixel_values(phantoms, load_processor(folder))).logits


def _parser() -> argparse.ArgumentParser:
    parser = OneLineErrors(prog="python -m cxr.training.publish", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the `model/` folder of a finished run")
    parser.add_argument("repo_id", help="USER/NAME on the Hub")
    parser.add_argument("--tag", help="tag for the commit, such as v1")
    parser.add_argument("--private", action="store_true", default=None, help="create the repo as a private one")
    return parser


@door
def main(argv: Sequence[str] | None = None) -> None:
    """Publish a finished run from the command line."""
    arguments = _parser().parse_args(argv)
    for name in ("config.json", "model.safetensors", "README.md", "metrics.json"):
        if not (arguments.folder / name).is_file():
            raise UserError(f"{arguments.folder} holds no {name}: name the `model/` folder of a finished run")
    sha = publish(arguments.folder, arguments.repo_id, arguments.tag, arguments.private)
    print(f"published {arguments.repo_id} at revision {sha}")


if __name__ == "__main__":
    raise SystemExit(main())
