from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from serve.image.health import healthy


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that answers every GET with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("status", "well"), [(200, True), (204, False), (503, False)])
def test_only_200_is_healthy(status: int, well: bool) -> None:
    with answering(status) as port:
        assert healthy(port) is well


def test_a_closed_port_is_not_healthy() -> None:
    with answering(200) as port:
        pass
    assert healthy(port) is False


def test_a_proxy_is_not_asked_about_the_container_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(200) as port:
        assert healthy(port)
