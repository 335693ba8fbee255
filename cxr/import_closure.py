"""What a program of this project consists of: the files of ours that it imports, and the packages that those import.

A Space gets these and no more, so that it installs in minutes and holds nothing unused. A cache of computed values is
keyed by them, so that no module that takes part in the computation can be left out of the key. Imports are read from
the source, not run: those inside functions count too. Only absolute imports are followed; the project has no others.
"""

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("cxr", "dataset_script")


def sources(*entries: str) -> list[Path]:
    """`entries` (files relative to the project) and every file of ours that they reach, package data included.

    Paths are relative to the project and sorted.
    """
    reached, waiting = set(), [Path(entry) for entry in entries]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [file for name in _imports(ROOT / path) for file in _ours(name)]
    packages = {path.parent for path in reached if path.name == "__init__.py"}
    data = {file.relative_to(ROOT) for folder in packages for file in (ROOT / folder).iterdir() if _is_data(file)}
    return sorted(reached | data)


def requirements(files: Sequence[Path]) -> str:
    """The lines of requirements.txt, bounds and all, whose packages these files import."""
    needed = {_canonical(distribution) for distribution in distributions(files)}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line[:1] not in ("", "#") and _canonical(re.split(r"[\[=><]", line)[0]) in needed]
    return "\n".join(["# Taken from the project's requirements.txt: what the files of this Space import.", *kept, ""])


def distributions(files: Sequence[Path]) -> list[str]:
    """The names of the installed packages that these files import, sorted."""
    installed = _installed()
    imported = {name.split(".")[0] for path in files if path.suffix == ".py" for name in _imports(ROOT / path)}
    ours = imported & {*_PACKAGES}
    return sorted({distribution for name in imported - ours for distribution in installed.get(name, ())})


@cache
def code_digest(*entries: str) -> str:
    """A hash, 64 hex digits, that changes with any file that `entries` reach and any package that these import.

    It is computed once in a process, as the code is imported once.
    """
    files = sources(*entries)
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.as_posix()} {hashlib.sha256((ROOT / path).read_bytes()).hexdigest()}\n".encode())
    for name in distributions(files):
        total.update(f"{name} {version(name)}\n".encode())
    return total.hexdigest()


@cache
def _installed() -> Mapping[str, list[str]]:
    """Top-level module name → installed packages that provide it; reading this takes a fraction of a second."""
    return packages_distributions()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Dotted names, of modules or of what is in them."""
    nodes = list(_walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    members = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return (*plain, *(f"{node.module}.{alias.name}" for node in members for alias in node.names))


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below, but for what only type checkers see."""
    yield node
    if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from _walk(child)


def _ours(name: str) -> Iterator[Path]:
    """The module that a dotted name is or lies in, with the packages above it, if they are this project's."""
    parts = name.split(".")
    if parts[0] not in _PACKAGES:
        return
    for depth in range(1, len(parts) + 1):
        stem = Path(*parts[:depth])
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if (ROOT / path).is_file():
                yield path


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
