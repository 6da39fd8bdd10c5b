"""The container's health check: exit code 0 if /health answers 200, else 1. Needs nothing but Python."""

import os
import sys
import urllib.request
from urllib.error import URLError

SECONDS = 8


def healthy(port: int) -> bool:
    """Whether the server on this port of the machine itself says that it is well."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/health", timeout=SECONDS) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


if __name__ == "__main__":
    sys.exit(0 if healthy(int(os.environ["ONEDAY_PORT"])) else 1)
