"""Score any published image classifier on prepared datasets, with what a reviewer asks for beside every number."""

from cxr.assessment.command import main

if __name__ == "__main__":
    raise SystemExit(main())
