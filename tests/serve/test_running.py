import signal
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from serve.app import create_app
from serve.running import Server, bind, is_loopback, server_of, url_of
from tests.serve.toy_engine import NO_RULES, ToyEngine, config


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"port {port} of 127\.0\.0\.1 .*in use; name another by --port"):
            bind("127.0.0.1", port)


def test_a_port_that_another_process_opens_meanwhile_is_told_with_what_to_do(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    with bind("127.0.0.1", 0) as first, bind("127.0.0.1", first.getsockname()[1]) as second:
        first.listen()
        with pytest.raises(ValueError, match=r"port \d+ of 127\.0\.0\.1 .*in use; name another by --port"):
            server_of(create_app(toy, config(), "toy", NO_RULES), 1, lambda: None).run([second])
    assert toy.closed


def test_an_address_that_is_not_this_machine_s_is_told() -> None:
    with pytest.raises(ValueError, match="--host"):
        bind("192.0.2.1", 0)
    with pytest.raises(ValueError, match="--host nowhere"):
        bind("nowhere.invalid", 0)


def test_a_bound_socket_takes_no_connections_yet() -> None:
    with bind("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname(), timeout=5)


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_a_host_is_loopback_or_not_and_has_an_address_to_try(host: str, loopback: bool) -> None:
    with bind(host, 0) as bound:
        port = bound.getsockname()[1]
        assert is_loopback(bound) == loopback
        assert url_of(bound) in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}", f"http://localhost:{port}")


def serve_in(
    threads: ThreadPoolExecutor, toy: ToyEngine, shutdown_seconds: float
) -> tuple[Server, socket.socket, "Future[None]"]:
    """A server that runs in one of the threads and is ready, its socket, and what ends with it."""
    bound, ready = bind("127.0.0.1", 0), threading.Event()
    server = server_of(create_app(toy, config(), "toy", NO_RULES), shutdown_seconds, ready.set)
    running = threads.submit(server.run, [bound])
    assert ready.wait(20)
    return server, bound, running


def test_what_does_not_end_in_the_time_to_shut_down_is_cut_off_with_503(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer, seconds=60)
    with ThreadPoolExecutor() as threads:
        server, bound, running = serve_in(threads, toy, 1)
        answer = threads.submit(httpx.post, f"{url_of(bound)}/process", json={"prompt": "a"}, timeout=20)
        while not toy.running:
            assert not answer.done()
        server.should_exit = True
        assert (answer.result(20).status_code, answer.result().json()["error"]["type"]) == (503, "shutdown")
        running.result(20)
    assert toy.closed and toy.finished == 0


def test_a_body_that_never_ends_does_not_hold_up_the_end_of_the_server(tiny_tokenizer: Any) -> None:
    with ThreadPoolExecutor() as threads:
        server, bound, running = serve_in(threads, ToyEngine(tiny_tokenizer), 600)
        with socket.create_connection(bound.getsockname(), timeout=20) as client:
            client.sendall(b"POST /process HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
            while not server.server_state.tasks:
                assert not running.done()
            server.should_exit = True
            try:
                running.result(20)
            finally:
                server.force_exit = True
            answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 503 ") and b'"stopping"' in answer


def test_a_second_interrupt_does_not_wait_and_closes_the_engine_too(
    tiny_tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    toy = ToyEngine(tiny_tokenizer, seconds=60)
    with ThreadPoolExecutor() as threads:
        server, bound, running = serve_in(threads, toy, 600)
        answer = threads.submit(httpx.post, f"{url_of(bound)}/process", json={"prompt": "a"}, timeout=20)
        while not toy.running:
            assert not answer.done()
        server.handle_exit(signal.SIGINT, None)
        server.handle_exit(signal.SIGINT, None)
        running.result(20)
        assert answer.result(20).status_code == 503
    assert toy.closed and toy.finished == 0
    assert not [record for record in caplog.records if "Traceback" in record.getMessage()]
