"""With what a file was made: versions of Python and of packages."""

import platform
from collections.abc import Iterable
from importlib.metadata import version


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of Python and of each installed package, by name."""
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
