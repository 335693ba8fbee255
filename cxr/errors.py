"""The errors that a user can do something about."""

import errno
import re

_DISK_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "there is no permission",
    errno.EPERM: "there is no permission",
    errno.EIO: "the disk does not answer as it should",
}
_IN_WORDS = {
    "the disk is full": re.compile(
        r"no space left on device|disk is full|pytorchstreamwriter failed|unexpected pos \d"
    ),
    "the disk is full or broken": re.compile(r"disk i/o error"),
    "the disk is read-only": re.compile(r"read-only file system|readonly database"),
    "there is no permission": re.compile(r"permission denied|operation not permitted|unable to open database file"),
}
"""How SQLite, safetensors, torch and others say it, whose errors carry no number."""


class UserError(Exception):
    """Bad input. The message is one line that names the file or flag and the way out."""


class UnreadableImage(UserError):
    """A file that gives no radiograph. `reason` does not name the file, so that equal reasons can be counted."""

    def __init__(self, reason: str, name: str = "the image") -> None:
        super().__init__(f"{name} {reason}")
        self.reason = reason
        self.name = name

    def __reduce__(self) -> tuple[type["UnreadableImage"], tuple[str, str]]:
        return type(self), (self.reason, self.name)


def one_line(error: BaseException) -> str:
    """Fold an error's text into a single line, falling back on its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def disk_problem(error: BaseException) -> str | None:
    """What keeps a file from being written or read, if an error of any library, or its cause, says so; else None."""
    if isinstance(error, UserError):
        return None
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        named = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return named + _DISK_ERRORS[error.errno]
    if isinstance(error, OSError) and error.errno is not None:
        return None
    said = next((words for words, pattern in _IN_WORDS.items() if pattern.search(str(error).lower())), None)
    return said or (disk_problem(error.__cause__) if error.__cause__ else None)
