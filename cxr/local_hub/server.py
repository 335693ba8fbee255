"""The embedded Hub running: in a thread of this process, on a socket that is bound before anything else happens."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from filelock import FileLock, Timeout
from starlette.types import ASGIApp

from cxr.errors import UserError
from cxr.local_hub.access import DEFAULT_TOKENS, Tokens
from cxr.local_hub.app import create_app
from cxr.local_hub.store import Store

_START_SECONDS = 30
_STOP_SECONDS = 10


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise UserError(f"--port {port} is no port: give one up to 65535, or 0 for a free one")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot listen on {host}:{port} ({reason}): give another --port, 0 for a free one") from error
    return listener


def _opened(root: Path) -> tuple[FileLock, Store]:
    """Make `root` ours: two Hubs writing below one root would lose each other's commits."""
    lock = FileLock(root / ".lock", thread_local=False)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        return lock, Store(root)
    except Timeout as error:
        raise UserError(f"--root {root} is served by another embedded Hub: stop it or take another folder") from error
    except OSError as error:
        lock.release()
        raise UserError(f"--root {root} cannot be written ({error.strerror}): take another folder") from error


class LocalHub:
    """A Hub of one's own: `with LocalHub(root) as hub: ... hub.url`.

    Its state lies below `root` and is there again when the next Hub starts on it. `tokens` says who may write what;
    `middleware` may wrap the whole application (tests put faults there).

    Raises:
        UserError: on entering, if the port is taken or the root cannot be written or is in use.
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
        """Serve from now on, in a daemon thread."""
        self._listener = _listening(self.host, self.port)
        try:
            self._lock, store = _opened(self.root)
        except UserError:
            self._listener.close()
            raise
        self.port = self._listener.getsockname()[1]
        app = create_app(store, self._tokens)
        self._serve(self._middleware(app) if self._middleware else app)
        return self

    def _serve(self, app: ASGIApp) -> None:
        ready = threading.Event()

        class Server(uvicorn.Server):
            async def startup(self, *args: object, **kwargs: object) -> None:
                await super().startup(*args, **kwargs)
                ready.set()

        config = uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
        self._server = Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="embedded-hub", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise RuntimeError("the embedded Hub did not start")

    def stop(self) -> None:
        """End service; requests still open get a second to finish. Stopping twice is harmless."""
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
