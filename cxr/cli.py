"""What every command line shares: one clear line for bad input, exit code 2, no traceback."""

import argparse
import functools
import os
import sys
from collections.abc import Callable, Sequence

from cxr.errors import UserError, one_line


class OneLineErrors(argparse.ArgumentParser):
    """An argument parser whose errors are one line; the full usage stays behind `--help`."""

    def error(self, message: str) -> None:
        """Exit with code 2 and one line."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def command(main: Callable[[Sequence[str] | None], int | None]) -> Callable[[Sequence[str] | None], int]:
    """Wrap a `main(argv)`: a `UserError` becomes one line on stderr and exit code 2; anything else still raises.

    Of several processes that meet the same error (`accelerate launch`, `torchrun`), the first one speaks.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv) or 0
        except UserError as error:
            if os.environ.get("RANK", "0") == "0":
                print(f"error: {one_line(error)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    return run
