"""The output folder: whose it is, its lock, its cache, and how a new dataset replaces the old one in it.

The card lists the live shards and names the live report. Its replacement, one rename, is the moment at which the new
dataset replaces the old one: until then nothing that the old card lists is touched, and afterwards the files that only
the old card listed are deleted. A reader sees the old dataset or the new one.
"""

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cxr.errors import UserError, disk_problem
from cxr.schema.dataset import EXTERNAL
from cxr.schema.dataset_card import CARD, REPORT, live_report, live_shards
from cxr.schema.report import PREPARED_BY

REVIEW = "review"
"""The private folder of a dataset: pages with its images for a person to look at, and charts."""

_REVIEW_BEFORE = "pictures"
"""What `REVIEW` was called by earlier versions."""

_OUR_FILES = {CARD, "data", REPORT, EXTERNAL, REVIEW, _REVIEW_BEFORE, ".cache"}
_OUR_DATA = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}(-[0-9a-f]{12})?\.parquet|report-[0-9a-f]{12}\.json")


_LOCK = "lock"


class Workspace:
    """`out` and what is in its `.cache`: the store, downloads, and the new dataset while it is written (`staged`)."""

    def __init__(self, out: Path) -> None:
        self.out, self.cache = out, out / ".cache"
        self.staged = self.cache / "new"
        self._state = self.cache / "state.json"

    def is_unchanged(self, digest: str) -> bool:
        """Whether `out` holds, untouched, what an earlier run with this digest made."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            return state == {"digest": digest, "files": self._file_stamps()}
        except (OSError, ValueError, AttributeError):
            return False

    def remember(self, digest: str) -> None:
        """Note that `out` is what a run with this digest makes."""
        self._state.write_text(json.dumps({"digest": digest, "files": self._file_stamps()}), encoding="utf-8")

    def put_in_place(self, external: Collection[str]) -> None:
        """Move the staged dataset and its external sets, by name, to `out`; remove other external sets from there."""
        for name in external:
            _replace_dataset(self.staged / EXTERNAL / name, self.out / EXTERNAL / name)
        _replace_dataset(self.staged, self.out)
        for folder in (self.out / EXTERNAL).glob("*"):
            if folder.name not in external:
                shutil.rmtree(folder, ignore_errors=True)

    def _file_stamps(self) -> dict[str, list[int]]:
        """Size and time of every file of the dataset and its external sets, without the review folder."""
        stats = {path.relative_to(self.out).as_posix(): path.stat() for path in self._files()}
        return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}

    def _files(self) -> Iterator[Path]:
        for folder in (self.out, *sorted((self.out / EXTERNAL).glob("*"))):
            yield from (folder / CARD, folder / REPORT, live_report(folder))
            yield from (folder / name for names in live_shards(folder).values() for name in names)


@contextmanager
def open_workspace(out: Path) -> Iterator[Workspace]:
    """Work in `out`, alone; after bad input it is as it was before.

    Raises:
        UserError: if it cannot be written to, holds something else, or another preparation works in it.
    """
    _check_out(out)
    first_made = next((path for path in (*reversed(out.parents), out) if not path.exists()), None)
    place = Workspace(out)
    try:
        place.cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot write there ({error.strerror})") from error
    try:
        with FileLock(place.cache / _LOCK, timeout=0):
            shutil.rmtree(place.staged, ignore_errors=True)
            yield place
    except Timeout as error:
        raise UserError(f"--out {out}: another preparation is writing there; wait for it or name another") from error
    except UserError:
        if first_made:
            shutil.rmtree(first_made, ignore_errors=True)
        raise
    except Exception as error:
        problem = disk_problem(error)
        if problem is None:
            raise
        raise UserError(f"--out {out}: {problem}; free some space or name a folder elsewhere") from error
    finally:
        shutil.rmtree(place.staged, ignore_errors=True)


def _check_out(out: Path) -> None:
    """Refuse a folder that holds anything but a dataset of ours, before hours of work and before deleting anything."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: name a new folder")
    try:
        held = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise UserError(f"--out {out}: cannot be read ({error.strerror})") from error
    is_ours = _is_ours(out) or (held == {".cache"} and _was_begun(out / ".cache"))
    foreign = sorted(held - _OUR_FILES) if is_ours else sorted(held)
    if foreign:
        raise UserError(f"--out {out} holds {foreign[0]}, which is no dataset of ours: name a new or empty folder")


def _is_ours(out: Path) -> bool:
    """Whether a report says so, or a run was stopped here before there was one."""
    try:
        return json.loads((out / REPORT).read_text(encoding="utf-8"))["prepared_by"] == PREPARED_BY
    except (OSError, ValueError, LookupError, TypeError):
        return (out / ".cache" / "rows.sqlite").is_file()


def _was_begun(cache: Path) -> bool:
    """Whether a run was stopped so early that it had at most begun to download."""
    try:
        return (cache / _LOCK).is_file() or not any(cache.iterdir())
    except OSError:
        return False


def _replace_dataset(staged: Path, out: Path) -> None:
    """Make `out` the dataset that is complete in `staged`, on the same disk."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    for path in sorted(staged.glob("data/*")):
        _sync(path)
        path.replace(out / "data" / path.name)
    _sync(out / "data")
    _sync(staged / CARD)
    for name in (REVIEW, _REVIEW_BEFORE):  # first, so that no stop leaves the images of another dataset
        shutil.rmtree(out / name, ignore_errors=True)
    (staged / CARD).replace(out / CARD)
    _tidy(out)
    if (staged / REVIEW).is_dir():
        (staged / REVIEW).rename(out / REVIEW)


def _tidy(out: Path) -> None:
    """Repeat the live report as `report.json`, and delete the shards and reports that the card does not name."""
    report = live_report(out)
    named = {Path(name).name for names in live_shards(out).values() for name in names} | {report.name}
    draft = out / "data" / "report.json.draft"
    shutil.copyfile(report, draft)
    draft.replace(out / REPORT)
    for path in (out / "data").iterdir():
        if path.name not in named and _OUR_DATA.fullmatch(path.name):
            path.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
