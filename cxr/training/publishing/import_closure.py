"""What a program of this project needs to run elsewhere: the files it imports, and the packages those import.

A Space gets these and no more, so that it installs in minutes and holds nothing that it does not use. Imports are read,
not run: those inside functions count too.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def sources(entry: str) -> list[Path]:
    """`entry` (relative to the project) and every file of ours that it reaches, data beside their code included.

    Paths are relative to the project and sorted.
    """
    found, waiting = set(), [Path(entry)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imports(ROOT / path) for file in _ours(name)]
    packages = {path.parent for path in found if path.name == "__init__.py"}
    data = {file.relative_to(ROOT) for folder in packages for file in (ROOT / folder).iterdir() if _is_data(file)}
    return sorted(found | data)


def requirements(files: Sequence[Path]) -> str:
    """The lines of requirements.txt, bounds and all, whose packages these files import."""
    provided = _provided()
    imported = {name.split(".")[0] for path in files if path.suffix == ".py" for name in _imports(ROOT / path)}
    needed = {_canonical(distribution) for name in imported for distribution in provided.get(name, ())}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line[:1] not in ("", "#") and _canonical(re.split(r"[\[=><]", line)[0]) in needed]
    return "\n".join(["# Taken from the project's requirements.txt: what the files of this Space import.", *kept, ""])


@cache
def _provided() -> Mapping[str, list[str]]:
    """Top-level name → distributions; a look at every installed package, so once is enough."""
    return packages_distributions()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Dotted names, of modules or of what is in them."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    members = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return (*plain, *(f"{node.module}.{alias.name}" for node in members for alias in node.names))


def _ours(name: str) -> Iterator[Path]:
    """The module a dotted name stands for or lies in, with the packages above it, if they are this project's."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        stem = Path(*parts[:depth])
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if (ROOT / path).is_file():
                yield path


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
