"""Putting a page on a port: local by default, the Space's own address on a Space, and nothing sent home."""

import ctypes
import socket
import sys

import gradio as gr
from starlette.middleware import Middleware

from cxr.errors import UserError
from cxr.serving.web import mcp, theme
from cxr.serving.web.interface import MAX_FILE_SIZE
from cxr.serving.web.request_limit import BodyLimit

QUEUE = 64
"""Questions that may wait; who comes later is told that the app is busy, rather than everybody waiting for ever."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8

BUSY = "Busy: {} questions are waiting already. Try again in a minute."


def check_port(host: str, port: int | None) -> None:
    """Refuse a taken port before a model is pulled for it; without a port, gradio looks for a free one from 7860 on.

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
        UserError: if no port is free.
    """
    _give_memory_back()
    _queue(blocks)
    try:
        url = blocks.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            max_file_size=MAX_FILE_SIZE,
            app_kwargs={"middleware": [Middleware(BodyLimit)]},
            run_history=False,
            enable_monitoring=False,
            mcp_server=True,
            ssr_mode=False,
            footer_links=["api"],
            theme=theme.theme(),
            css_paths=theme.STYLE,
        )[1]
    except OSError as error:
        raise UserError(f"cannot listen on {host}: no free port; name one with --port") from error
    mcp.mend(blocks)
    return url


def _give_memory_back() -> None:
    """Have glibc return what decoded pictures took as soon as it is freed.

    By default it raises the size from which it does so with every picture that it frees, and keeps a heap for every
    thread that ever held one (`mallopt(3)`).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        mallopt(_M_ARENA_MAX, 2)


def _queue(blocks: gr.Blocks) -> None:
    """Bound the queue, say "busy" in words, and close gradio's `/run` and `/api` routes, which pass it by."""
    blocks.queue(max_size=QUEUE, api_open=False)
    push = blocks._queue.push

    async def push_or_refuse(**event: object) -> tuple[bool, object, str]:
        taken, said, state = await push(**event)
        return taken, BUSY.format(QUEUE) if state == "queue_full" else said, state

    blocks._queue.push = push_or_refuse
