"""The Space that shows a model: the app and what it imports, and a README that pins it to the model's commit.

The pin is `preload_from_hub` in the README's front matter. The Space's builder reads it to fetch the files, and app.py
reads it to know which commit to serve. So the two cannot differ, and later commits of the model repo change nothing.
"""

from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import metadata_load
from jinja2 import Environment, StrictUndefined

from cxr import hub, import_closure
from cxr.errors import UserError
from cxr.schema.verdicts import DISCLAIMER
from cxr.training.publishing import model_repo
from cxr.training.reporting.model_card import headline, read_facts

PATTERNS = ("README.md", "LICENSE", "app.py", "requirements.txt", "cxr/*")
_TEMPLATE = Path(__file__).with_name("space_card.md")
_FROM_CHECKOUT = ("app.py", "requirements.txt", "LICENSE", "README.md")


def require_checkout() -> None:
    """Make sure that the files of a Space are there, which an installed package lacks.

    Raises:
        UserError: if they are not.
    """
    missing = [name for name in _FROM_CHECKOUT if not (import_closure.ROOT / name).is_file()]
    if missing:
        raise UserError(
            f"a Space is made from a checkout of this project, and {import_closure.ROOT} has no {missing[0]}: publish "
            "it from a clone, or leave out --space and --hub_space"
        )


def publish_space(folder: Path, model: str, revision: str, space: str) -> str:
    """One commit after which the Space serves `model` at `revision`, and holds no file of an earlier version.

    Args:
        folder: the model folder that was published, for the headline of its card.
        model: id of the published model.
        revision: full sha of the commit to serve.
        space: id of the Space, which must exist.

    Returns:
        The sha of the Space's commit.
    """
    message = f"Show {model} at {revision[:7]}"
    files = _files(folder, model, revision)
    return hub.commit(space, files, message, repo_type="space", replace=PATTERNS)


def _files(folder: Path, model: str, revision: str) -> dict[str, Path | bytes]:
    """Path in the Space → file or bytes."""
    sources = import_closure.sources("app.py")
    return {
        **{path.as_posix(): import_closure.ROOT / path for path in sources},
        "LICENSE": import_closure.ROOT / "LICENSE",
        "requirements.txt": import_closure.requirements(sources).encode(),
        "README.md": _readme(folder, model, revision).encode(),
    }


def _readme(folder: Path, model: str, revision: str) -> str:
    metadata = _front_matter(folder, model, revision)
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=1000)
    body = (
        Environment(undefined=StrictUndefined)
        .from_string(_TEMPLATE.read_text(encoding="utf-8"))
        .render(
            title=metadata["title"],
            model=model,
            revision=revision,
            headline=headline(read_facts(folder)[0]),
            disclaimer=DISCLAIMER,
        )
    )
    return f"---\n{front}---\n\n{body}\n"


def _front_matter(folder: Path, model: str, revision: str) -> dict[str, Any]:
    """The front matter of this project's README, with the model that is served and the gradio that is installed."""
    pulled = [name for name in model_repo.files(folder, model) if any(fnmatch(name, end) for end in hub.PULLED_FILES)]
    return {
        **(metadata_load(import_closure.ROOT / "README.md") or {}),
        "sdk_version": version("gradio"),
        "models": [model],
        "preload_from_hub": [f"{model} {','.join(sorted(pulled))} {revision}"],
    }
