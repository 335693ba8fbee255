"""`python -m cxr.training.publish`: publish a finished model folder to the Hub."""

import sys

from cxr.training.publishing.publish import main

if __name__ == "__main__":
    sys.exit(main())
