"""The output folder while a preparation works in it: whose it is, its lock, its cache, and how it is left."""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cxr.errors import UserError
from cxr.schema.dataset import EXTERNAL
from cxr.schema.report import PREPARED_BY
from dataset_script.storage import writing

OUR_FILES = {"README.md", "data", "report.json", EXTERNAL, writing.PICTURES, ".cache"}


class Workspace:
    """`out` and what lies in its `.cache`: the store, downloads, the new dataset while it is written (`staged`)."""

    def __init__(self, out: Path):
        self.out, self.cache = out, out / ".cache"
        self.staged = self.cache / "new"
        self._state = self.cache / "state.json"

    def is_unchanged(self, digest: str) -> bool:
        """Whether `out` holds, untouched, what an earlier run with this digest made."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            return state == {"digest": digest, "files": self._files()}
        except (OSError, ValueError, AttributeError):
            return False

    def remember(self, digest: str) -> None:
        """Note that `out` is what a run with this digest makes."""
        self._state.write_text(json.dumps({"digest": digest, "files": self._files()}), encoding="utf-8")

    def _files(self) -> dict[str, list[int]]:
        stats = {path.relative_to(self.out).as_posix(): path.stat() for path in writing.contents(self.out)}
        return {name: [found.st_size, found.st_mtime_ns] for name, found in stats.items()}


@contextmanager
def workspace(out: Path) -> Iterator[Workspace]:
    """Work in `out`, alone; bad input leaves it as it was.

    Raises:
        UserError: if it cannot be written to, holds something else, or another preparation works in it.
    """
    _check_out(out)
    first = next((path for path in (*reversed(out.parents), out) if not path.exists()), None)
    place = Workspace(out)
    try:
        place.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot write there ({error.strerror})") from error
    try:
        with FileLock(place.cache / "lock", timeout=0):
            shutil.rmtree(place.staged, ignore_errors=True)
            yield place
    except Timeout as error:
        raise UserError(f"--out {out}: another preparation is writing there; wait for it or name another") from error
    except UserError:
        if first:
            shutil.rmtree(first, ignore_errors=True)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"--out {out}: the disk is full; free some space or name a folder elsewhere") from error
    finally:
        shutil.rmtree(place.staged, ignore_errors=True)


def digest_of(*parts: Iterable | str) -> str:
    """A hash of everything that a run's outcome depends on."""
    return hashlib.sha256(json.dumps(parts, default=list).encode("utf-8", "replace")).hexdigest()


def _check_out(out: Path) -> None:
    """Refuse a folder that holds anything but a dataset of ours, before hours of work and before deleting anything."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: name a new folder")
    try:
        held = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise UserError(f"--out {out}: cannot be read ({error.strerror})") from error
    foreign = sorted(held - OUR_FILES) if _is_ours(out) else sorted(held)
    if foreign:
        raise UserError(f"--out {out} holds {foreign[0]}, which is no dataset of ours: name a new or empty folder")


def _is_ours(out: Path) -> bool:
    """Whether a report says so, or a run was stopped here before there was one."""
    try:
        return json.loads((out / "report.json").read_text(encoding="utf-8"))["prepared_by"] == PREPARED_BY
    except (OSError, ValueError, LookupError, TypeError):
        return (out / ".cache" / "rows.sqlite").is_file()
