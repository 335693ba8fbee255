"""Putting a page on a port: local by default, the Space's own address on a Space, and nothing sent home."""

import socket

import gradio as gr

from cxr.cli import UserError
from cxr.serving import theme
from cxr.serving.interface import MAX_FILE_SIZE

_QUEUE = 64


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
    blocks.queue(max_size=_QUEUE)
    try:
        return blocks.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            max_file_size=MAX_FILE_SIZE,
            run_history=False,
            enable_monitoring=False,
            mcp_server=False,
            ssr_mode=False,
            footer_links=["api"],
            theme=theme.theme(),
            css_paths=theme.STYLE,
        )[1]
    except OSError as error:
        raise UserError(f"cannot listen on {host}: no free port; name one with --port") from error
