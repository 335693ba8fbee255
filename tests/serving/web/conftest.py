"""A running app, the page, and a browser."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support import serving

from cxr.serving.predictor import Predictor
from cxr.serving.web import interface, server

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    return serving


@pytest.fixture(scope="session")
def page_url(gated: Path) -> Iterator[str]:
    """The page for that model, served by this process."""
    blocks = interface.build(Predictor.load(str(gated)))
    yield server.launch(blocks, "127.0.0.1", None)
    blocks.close(verbose=False)
