"""The errors that a user can do something about."""


class UserError(Exception):
    """Bad input. The message is one line that names the file or flag and the way out."""


def one_line(error: BaseException) -> str:
    """Fold an error's text into a single line, falling back on its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
