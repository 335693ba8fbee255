"""The embedded Hub as an ASGI application."""

import secrets

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from cxr.local_hub import errors, file_routes, repo_routes, transfer_routes
from cxr.local_hub.access import DEFAULT_TOKENS, Tokens
from cxr.local_hub.dependencies import QuotedPaths
from cxr.local_hub.store import Store


def create_app(store: Store, tokens: Tokens = DEFAULT_TOKENS) -> ASGIApp:
    """Everything `huggingface_hub` asks of a Hub for models, datasets and spaces, answered from a store."""
    app = FastAPI(title="Embedded Hub", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.store, app.state.tokens, app.state.secret = store, tokens, secrets.token_bytes(32)
    app.add_exception_handler(errors.HubError, errors.refuse)
    app.add_exception_handler(OSError, errors.storage_failed)
    app.add_exception_handler(ClientDisconnect, errors.sender_gone)
    app.add_exception_handler(404, errors.unanswered)
    for routes in (repo_routes, file_routes, transfer_routes):
        app.include_router(routes.router)
    return QuotedPaths(app)
