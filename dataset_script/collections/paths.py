"""Files on disk: walking collections, telling when a file has changed, and staying inside the folder."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

ESCAPES = "points outside the collection's folder"
MISSING = "is not there"
TWICE = "is listed more than once"


def stamp_of(path: Path) -> str:
    """Size and times of modification and change (which nobody sets); empty where the file cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"


def name_of(path: PurePath) -> str:
    """A relative path as text that any file can hold: bytes of a name that are no UTF-8 become question marks."""
    return clean(path.as_posix())


def clean(name: str) -> str:
    """As `name_of`, of a name with forward slashes."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


def walk(root: Path) -> Iterator[Path]:
    """Every file below `root` in a fixed order; links are followed once.

    Hidden and system files are left aside, and datasets that we prepared: `--out` may lie inside its own source.
    """
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or _is_prepared(Path(folder)):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        paths = (Path(folder, name) for name in sorted(names) if not is_clutter(name))
        yield from (path for path in paths if path.is_file() or not path.exists())


def is_clutter(name: str) -> bool:
    """Whether a name is hidden or the system's own."""
    return name.startswith(".") or name.casefold() in ("__macosx", "thumbs.db", "desktop.ini")


def _is_prepared(folder: Path) -> bool:
    return (folder / "report.json").is_file() and any(folder.glob("data/train-*-of-*.parquet"))


def inside(root: Path | None, file: str) -> str | None:
    """What a table calls a file, relative to `root` and without `.` parts; None if the name leaves `root`."""
    name = PurePosixPath(file.replace("\\", "/"))
    if root and name.is_absolute() and name.is_relative_to(root.absolute().as_posix()):
        name = name.relative_to(root.absolute().as_posix())
    if name.is_absolute() or ".." in name.parts or any(":" in part for part in name.parts[:1]):
        return None
    return name.as_posix()
