"""`python -m cxr.training.card`: write a card anew from a finished run's files."""

import sys

from cxr.training.reporting.card import main

if __name__ == "__main__":
    sys.exit(main())
