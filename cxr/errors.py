"""The errors that a user can do something about."""


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
