"""Connect to a Ray cluster, for the stages that can be spread over machines."""

import logging
import os
import signal
import socket
from collections.abc import Mapping
from typing import Any

CONNECT_SECONDS = 10


def connect(address: str, env_vars: Mapping[str, str] | None = None) -> Any:
    """Ray, connected to the cluster at this address; its workers get `env_vars`. ValueError if none answers there."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ValueError("--ray needs the package ray; run: pip install -c constraints.txt -e '.[ray]'") from error
    advice = "start one with 'ray start --head', or use --ray local"
    try:
        _check_reachable(address)
        handler = signal.getsignal(signal.SIGTERM)
        runtime = {"env_vars": dict(env_vars)} if env_vars else None
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime)
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own in place, which ends without a word
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"--ray {address}: no Ray cluster answers there ({error}); {advice}") from error
    return ray


def _check_reachable(address: str) -> None:
    """OSError if nothing listens at HOST:PORT. Ray itself would try for ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
