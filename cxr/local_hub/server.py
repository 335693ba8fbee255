"""The embedded Hub as a server in a thread of this process, and the environment of processes that use it."""

import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI
from filelock import FileLock, Timeout
from starlette.types import ASGIApp

from cxr.errors import UserError
from cxr.local_hub import errors, file_routes, repo_routes
from cxr.local_hub.access import DEFAULT_TOKENS, TOKEN, Tokens
from cxr.local_hub.storage import Store

_STOP_SECONDS = 10
_FOREIGN_PREFIXES = ("HF_", "HUGGINGFACE", "HUGGING_FACE", "TRANSFORMERS_", "DATASETS_", "GRADIO_", "SPACE_")
_FOREIGN_NAMES = ("MODEL_ID", "MODEL_REVISION", "NO_PROXY", "no_proxy")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LocalHub:
    """A Hub of one's own: `with LocalHub(root) as hub: ... hub.url`.

    Its state is stored below `root` and found there by the next Hub that starts on it. `tokens` defines who may write
    what; `middleware` may wrap the whole application, such as for fault injection in tests.

    Raises:
        UserError: on entering, if the port is taken, or the root cannot be written or is in use.
    """

    def __init__(
        self,
        root: Path,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        tokens: Tokens = DEFAULT_TOKENS,
        middleware: Callable[[ASGIApp], ASGIApp] | None = None,
    ):
        self.root, self.host, self.port = Path(root), host, port
        self._tokens, self._middleware = tokens, middleware
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, for `HF_ENDPOINT`."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """Serve from now on, in a daemon thread; the socket listens when this returns."""
        self._listener = _listen(self.host, self.port)
        try:
            self._lock, store = _open(self.root)
        except UserError:
            self._listener.close()
            raise
        self.port = self._listener.getsockname()[1]
        app = create_app(store, self._tokens)
        wrapped = self._middleware(app) if self._middleware else app
        config = uvicorn.Config(wrapped, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="embedded-hub", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving; open requests get a second to finish. Stopping twice is harmless."""
        if self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._listener.close()
        self._lock.release()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def create_app(store: Store, tokens: Tokens = DEFAULT_TOKENS) -> FastAPI:
    """What this project, `datasets` and `transformers` ask of a Hub for models, datasets and spaces."""
    app = FastAPI(title="Embedded Hub", openapi_url=None, redirect_slashes=False)
    app.state.store, app.state.tokens = store, tokens
    app.include_router(repo_routes.router)
    app.include_router(file_routes.router)
    errors.add_handlers(app)
    return app


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise UserError(f"--port {port} is no port: give one up to 65535, or 0 for a free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot listen on {host}:{port} ({reason}): give another --port, 0 for a free one") from error
    return listener


def _open(root: Path) -> tuple[FileLock, Store]:
    """Open the storage for this process alone: two Hubs writing to one root would lose each other's commits."""
    lock = FileLock(root / ".lock", thread_local=False)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        return lock, Store(root)
    except Timeout as error:
        raise UserError(f"--root {root} is used by another embedded Hub: stop it or choose another folder") from error
    except OSError as error:
        lock.release()
        raise UserError(f"--root {root} cannot be written ({error.strerror}): choose another folder") from error


def environment(url: str, home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (by default this process's environment) without the user's Hub settings, and with the Hub at `url`.

    `home` becomes `HF_HOME`, so that the user's caches and stored login are not used. Give the result to a new process:
    `huggingface_hub` reads the variables at import. hf-xet is switched off, because this Hub has only plain LFS, and
    proxies are bypassed for loopback addresses.
    """
    base = os.environ if base is None else base
    kept = {
        name: value
        for name, value in base.items()
        if not name.startswith(_FOREIGN_PREFIXES) and name not in _FOREIGN_NAMES
    }
    hosts = [host.strip() for name in ("NO_PROXY", "no_proxy") for host in base.get(name, "").split(",")]
    no_proxy = ",".join(dict.fromkeys(host for host in (*hosts, *_LOOPBACK) if host))
    return kept | {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }
