"""The packages that this project is installed with: its lock file, and known vulnerabilities of what stands there.

    python tools/dependencies.py lock              the versions in this environment, as requirements.lock has them
    python tools/dependencies.py audit FILE        advisories about requirements.lock, without a network

FILE is the export of the OSV database for PyPI (all.zip, see https://osv.dev), or a folder of its JSON files. Exit code
1 if there are advisories.
"""

import argparse
import importlib.metadata
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Exact versions that were tried together (Python 3.11, Linux): constraints of `make demo` and `make test`.
# No hashes: those of some packages, of torch above all, differ from platform to platform. Written by `make lock`.
"""


def requirements(path: Path) -> Iterator[Requirement]:
    """The requirements of a file and of those that it includes."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            yield from requirements(path.parent / text[3:].strip())
        elif text:
            yield Requirement(text)


def locked(path: Path = LOCK) -> dict[str, Version]:
    """The version of each package in a lock file, by canonical name."""
    pinned = {}
    for requirement in requirements(path):
        (specifier,) = requirement.specifier
        pinned[canonicalize_name(requirement.name)] = Version(specifier.version)
    return pinned


def installed() -> dict[str, str]:
    """The versions of everything that requirements-dev.txt needs in this environment, without local parts ("+cpu")."""
    found: dict[str, str] = {}
    visited: set[tuple[str, str]] = set()
    open_ends = [(requirement, "") for requirement in requirements(ROOT / "requirements-dev.txt")]
    while open_ends:
        requirement, extra = open_ends.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        distribution = importlib.metadata.distribution(name)
        found[name] = Version(distribution.version).public
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in visited:
                visited.add((name, wanted))
                open_ends += [(Requirement(text), wanted) for text in distribution.requires or []]
    return found


def advisories(source: Path) -> Iterator[Mapping[str, Any]]:
    """The advisories in a folder or zip of JSON files in the OSV format."""
    if source.is_dir():
        yield from (json.loads(path.read_bytes()) for path in sorted(source.rglob("*.json")))
        return
    with zipfile.ZipFile(source) as archive:
        yield from (json.loads(archive.read(name)) for name in sorted(archive.namelist()) if name.endswith(".json"))


def concerns(advisory: Mapping[str, Any], versions: Mapping[str, Version]) -> list[str]:
    """The packages of `versions` that an advisory is about, as "name version"; none for one that was withdrawn."""
    if advisory.get("withdrawn"):
        return []
    hit = []
    for affected in advisory.get("affected", []):
        package = affected.get("package", {})
        name = canonicalize_name(package.get("name", ""))
        version = versions.get(name) if package.get("ecosystem") == "PyPI" else None
        if version is not None and _is_affected(version, affected):
            hit.append(f"{name} {version}")
    return sorted(set(hit))


def _is_affected(version: Version, affected: Mapping[str, Any]) -> bool:
    if any(_version(text) == version for text in affected.get("versions", [])):
        return True
    ranges = (part for part in affected.get("ranges", []) if part.get("type") == "ECOSYSTEM")
    return any(_in_range(version, part.get("events", [])) for part in ranges)


def _in_range(version: Version, events: list[Mapping[str, str]]) -> bool:
    """Whether the last event up to this version leaves it affected (https://ossf.github.io/osv-schema, evaluation)."""
    affected = False
    for event in sorted(events, key=lambda event: _version(next(iter(event.values()))) or Version("0")):
        kind, text = next(iter(event.items()))
        bound = _version(text) or Version("0")
        if kind == "introduced" and version >= bound:
            affected = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            affected = False
    return affected


def _version(text: str) -> Version | None:
    try:
        return Version(re.sub(r"^0$", "0.dev0", text))
    except InvalidVersion:
        return None


def main(argv: list[str] | None = None) -> int:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("lock", "audit"))
    parser.add_argument("advisories", nargs="?", type=Path, help="for audit: a zip or folder of OSV advisories")
    arguments = parser.parse_args(argv)
    if arguments.what == "lock":
        print(HEADER + "\n".join(f"{name}=={version}" for name, version in sorted(installed().items())))
        return 0
    if arguments.advisories is None or not arguments.advisories.exists():
        parser.error("name the zip or folder of advisories")
    found = [(item, hit) for item in advisories(arguments.advisories) for hit in concerns(item, locked())]
    for advisory, hit in found:
        print(f"{hit}: {advisory['id']} {advisory.get('summary', '')}".rstrip())
    print(f"{len(found)} advisories about {len(locked())} packages")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
