"""Files on disk: walking collections, opening them later in another process, and staying inside their folder."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath, PurePosixPath

ESCAPES = "points outside the collection's folder"
MISSING = "is not there"
TWICE = "is listed more than once"


def opener_of(path: Path) -> Callable[[], bytes]:
    """A picklable function that reads a file."""
    return partial(Path.read_bytes, path)


def stamp_of(path: Path) -> str:
    """Size and modification time; empty where the file cannot be asked, which is found out when it is opened."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def name_of(path: PurePath) -> str:
    """A relative path as text that any file can hold: bytes of a name that are no UTF-8 become question marks."""
    return path.as_posix().encode("utf-8", "replace").decode()


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
        folders[:] = sorted(name for name in folders if not _is_clutter(name))
        paths = (Path(folder, name) for name in sorted(names) if not _is_clutter(name))
        yield from (path for path in paths if path.is_file() or not path.exists())


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in ("__macosx", "thumbs.db", "desktop.ini")


def _is_prepared(folder: Path) -> bool:
    return (folder / "report.json").is_file() and any(folder.glob("data/train-*-of-*.parquet"))


def inside(root: Path, file: str) -> PurePosixPath | None:
    """What a table calls a file, relative to `root` and without `.` parts; None if the name leaves `root`."""
    name = PurePosixPath(file.replace("\\", "/"))
    if name.is_absolute() and name.is_relative_to(root.absolute().as_posix()):
        name = name.relative_to(root.absolute().as_posix())
    if name.is_absolute() or ".." in name.parts or any(":" in part for part in name.parts[:1]):
        return None
    return name
