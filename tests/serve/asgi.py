"""Calls an application as a server would, one ASGI message at a time."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp


@dataclass
class Client:
    """One request: its body comes in `parts`, and the client hangs up when `gone` is set, or as the answer begins.

    The answer is kept.
    """

    path: str
    parts: Iterable[bytes] = (b"",)
    method: str = "POST"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    endless: bool = False
    gone_at_start: bool = False
    received: int = 0
    status: int | None = None
    body: bytes = b""
    answer_headers: dict[str, str] = field(default_factory=dict)

    async def call(self, app: ASGIApp) -> "Client":
        """Send the request and wait until the application is done with it."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": self.headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        left = list(self.parts)

        async def receive() -> dict[str, Any]:
            if left:
                self.received += 1
                return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or self.endless}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.answer_headers = {name.decode(): value.decode() for name, value in message["headers"]}
                if self.gone_at_start:
                    self.gone.set()
                    await asyncio.sleep(0.01)
            else:
                self.body += message.get("body", b"")

        await app(scope, receive, send)  # type: ignore[arg-type]
        return self

    @property
    def json(self) -> Any:
        """The answer's body."""
        return json.loads(self.body)


def post(path: str, **body: Any) -> Client:
    """A request with a JSON body."""
    return Client(path, [json.dumps(body).encode()])
