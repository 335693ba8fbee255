"""The Space that shows a model: the app and what it imports, and a README that pins it to the model's commit.

The pin is the Space's `preload_from_hub`, which the Space's builder reads to fetch the files beforehand and app.py to
know what to serve: one place, so that the two cannot differ, and a model repo that moves on changes nothing.
"""

from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import yaml
from huggingface_hub import metadata_load
from jinja2 import Environment, StrictUndefined

from cxr import hub, import_closure
from cxr.schema.verdicts import DISCLAIMER
from cxr.training.publishing import repo_files
from cxr.training.reporting import card

PATTERNS = ("README.md", "LICENSE", "app.py", "requirements.txt", "cxr/*")
_TEMPLATE = import_closure.ROOT / "space_card.md"


def publish(folder: Path, model: str, revision: str, space: str) -> str:
    """One commit after which the Space serves `model` at `revision` (a full sha), and holds nothing stale.

    Args:
        folder: the model folder that was published, for the headline of its card.
        model: id of the published model.
        revision: full sha of the commit to serve.
        space: id of the Space, which must exist.

    Returns:
        The sha of the Space's commit.
    """
    message = f"Show {model} at {revision[:7]}"
    return hub.commit(space, files(folder, model, revision), message, repo_type="space")


def files(folder: Path, model: str, revision: str) -> dict[str, Path | bytes]:
    """Path in the Space → file or bytes."""
    sources = import_closure.sources("app.py")
    return {
        **{path.as_posix(): import_closure.ROOT / path for path in sources},
        "LICENSE": import_closure.ROOT / "LICENSE",
        "requirements.txt": import_closure.requirements(sources).encode(),
        "README.md": _readme(folder, model, revision).encode(),
    }


def _readme(folder: Path, model: str, revision: str) -> str:
    front = yaml.safe_dump(front_matter(folder, model, revision), sort_keys=False, allow_unicode=True, width=1000)
    template = Environment(undefined=StrictUndefined).from_string(_TEMPLATE.read_text(encoding="utf-8"))
    said = {"model": model, "revision": revision, "headline": card.headline(folder), "disclaimer": DISCLAIMER}
    return f"---\n{front}---\n\n{template.render(title=front_matter(folder, model, revision)['title'], **said)}\n"


def front_matter(folder: Path, model: str, revision: str) -> dict[str, object]:
    """This project's own front matter, with the model it serves and the gradio that is installed, so was tried."""
    wanted = [name for name in repo_files.files(folder, model) if any(fnmatch(name, end) for end in hub.PULLED_FILES)]
    return {
        **metadata_load(import_closure.ROOT / "README.md"),
        "sdk_version": version("gradio"),
        "models": [model],
        "preload_from_hub": [f"{model} {','.join(sorted(wanted))} {revision}"],
    }
