"""Score any published image classifier on prepared datasets, with what a reviewer asks for beside every number."""

from cxr.cli import let_threads_sleep

let_threads_sleep()

from cxr.assessment.command import main  # noqa: E402 - it imports torch

if __name__ == "__main__":
    raise SystemExit(main())
