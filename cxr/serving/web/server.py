"""Serving a page on a port: local by default, the Space's own address on a Space, and no usage statistics."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware

from cxr.errors import UserError
from cxr.imaging import isolation
from cxr.serving.web import interface
from cxr.serving.web.protection import gradio_patches, limits, memory, start_check, uploads
from cxr.serving.web.protection.bad_requests import OneLineErrors
from cxr.serving.web.protection.headers import SecurityHeaders
from cxr.serving.web.protection.routes import KnownRoutes
from cxr.serving.web.protection.uploads import RequestSizeLimit, UniqueUploads

BUSY = "Busy: {} requests are waiting already. Try again in a minute."

_SERVICE_UNAVAILABLE = 503


def check_port(host: str, port: int | None) -> None:
    """Refuse a taken port before a model is downloaded for it; without a port, gradio picks a free one from 7860 on.

    Raises:
        UserError: if nothing can listen there.
    """
    if port is None:
        return
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port} ({error.strerror}): try another --port or --host") from error


def launch(blocks: gr.Blocks, host: str, port: int | None) -> str:
    """Start serving in the background and return the address.

    Raises:
        UserError: if no port is free, or the installed gradio lacks what this app replaces or protects too little.
    """
    gradio_patches.check()
    uploads.folder()
    memory.return_freed()
    isolation.lower_priority()
    gradio_patches.explain_errors(blocks)
    blocks.queue(max_size=limits.MAX_WAITING, api_open=False)  # not open: `/run` and `/api` would bypass the queue
    try:
        url = blocks.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            max_file_size=limits.MAX_FILE_SIZE,
            app_kwargs={
                "middleware": [
                    Middleware(SecurityHeaders),
                    Middleware(OneLineErrors),
                    Middleware(KnownRoutes),
                    Middleware(RequestSizeLimit),
                    Middleware(UniqueUploads),
                ],
                "exception_handlers": {_SERVICE_UNAVAILABLE: _unavailable},
                "lifespan": _lifespan(blocks),
            },
            state_session_capacity=limits.SESSIONS,
            run_history=False,
            enable_monitoring=False,
            mcp_server=True,
            ssr_mode=False,
            footer_links=["api"],
            theme=interface.theme(),
            css_paths=interface.STYLE,
        )[1]
    except OSError as error:
        raise UserError(f"cannot listen on {host}: no free port; name one with --port") from error
    try:
        start_check.check_protections(blocks, url)
    except UserError:
        blocks.close(verbose=False)
        raise
    return url


def _lifespan(blocks: gr.Blocks) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What happens between the server's start and its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gradio_patches.patch_mcp(blocks)
        async with uploads.clean_up(), memory.trimming():
            yield

    return lifespan


def _unavailable(request: Request, error: HTTPException) -> JSONResponse:
    """gradio's answer to requests that it does not take, with a full queue explained in words."""
    is_full = str(error.detail).startswith("Queue is full")
    detail = BUSY.format(limits.MAX_WAITING) if is_full else error.detail
    return JSONResponse({"detail": detail}, _SERVICE_UNAVAILABLE)
