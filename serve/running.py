"""Runs the application on a port until the process is told to stop: uvicorn, in one process."""

import errno
import ipaddress
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

KEEP_ALIVE_SECONDS = 75  # longer than HTTP clients keep an idle connection, so that they close it


class Server(uvicorn.Server):
    """Calls `on_ready` when the port is open. SIGTERM and SIGINT are obeyed and end `serve` without an error.

    From the signal on, new requests are refused, and those whose body is still coming; a second SIGINT does not wait
    for those in work. ValueError if another process has opened the port since it was bound.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.app = app
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port."""
        try:
            await super().startup(sockets)
        except OSError as error:
            await self.lifespan.shutdown()
            host, port = sockets[0].getsockname()[:2] if sockets else (self.config.host, self.config.port)
            raise _not_opened(host, port, error) from error
        if self.started:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is in work; a body that stalls would keep the process until its time is over."""
        self.app.state.admission.end_uploads()
        await super().shutdown(sockets)
        if self.force_exit:  # for which uvicorn leaves the engine open
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self.app.state.admission.stop()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal again at the end, and the process would die of it.

        In another thread than the main one no signal comes; set `should_exit` there.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def server_of(app: FastAPI, shutdown_seconds: float, on_ready: Callable[[], None]) -> Server:
    """A server whose `run([bound])` answers requests until a signal comes.

    Then it finishes those in work; those that take longer than `shutdown_seconds` are cut off and get 503.
    """
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(shutdown_seconds),
    )
    return Server(config, app, on_ready)


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the port but takes no connections yet. ValueError if it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except socket.gaierror as error:
        raise ValueError(f"--host {host}: {error.strerror}; name an address of this machine") from error
    except OSError as error:
        raise _not_opened(host, port, error) from error
    return bound


def _not_opened(host: str, port: int, error: OSError) -> ValueError:
    advice = {errno.EADDRINUSE: "name another by --port", errno.EACCES: "ports below 1024 need a right; try 8080"}
    told = advice.get(error.errno or 0, "name an address of this machine by --host")
    return ValueError(f"port {port} of {host} cannot be opened: {error.strerror}; {told}")


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback


def url_of(bound: socket.socket) -> str:
    """The address to try from this machine."""
    address, port = bound.getsockname()[:2]
    host = ipaddress.ip_address(address)
    if host.is_unspecified:
        return f"http://localhost:{port}"
    return f"http://[{address}]:{port}" if host.version == 6 else f"http://{address}:{port}"
