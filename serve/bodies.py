"""ASGI middleware that reads a request's body within its bounds, and cancels the answer when the client is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from serve.facts import facts_of
from serve.refusals import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from serve.limits import Admission


BODIES_IN_MEMORY = 64  # of the longest allowed: what all requests that are read or in work may hold together


class Bodies:
    """Hands the whole body on at once. 413 for one longer than `body_bytes`, by its header or by what has come; 408
    for one that takes longer than `seconds`; 503 if all bodies together are too much, or the server stops meanwhile.
    No more is read than that takes.
    """

    def __init__(self, app: "ASGIApp", admission: "Admission", body_bytes: int, seconds: float) -> None:
        self.app = app
        self.admission = admission
        self.body_bytes = body_bytes
        self.seconds = seconds
        self.in_memory = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request; with nothing, if its client is gone."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parts: list[bytes] = []
        try:
            complete = await self._read(scope, receive, parts)
            if complete:
                parts[:] = [b"".join(parts)]
                await self._answer(parts[0], scope, receive, send)
            facts_of(scope).gone |= not complete
        except Refused as refused:
            facts_of(scope).refused = refused.reason
            await refused.response()(scope, receive, send)
        finally:
            self.in_memory -= sum(map(len, parts))

    async def _read(self, scope: "Scope", receive: "Receive", parts: list[bytes]) -> bool:
        """Read the body into `parts`; False if the client goes before its end."""
        too_long = Refused(413, "body_too_long", f"the body is longer than the {self.body_bytes} bytes allowed")
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and (len(announced) > 18 or int(announced) > self.body_bytes):
            raise too_long
        length = 0
        try:
            async with self._limit():
                while (message := await receive())["type"] == "http.request":
                    parts.append(message.get("body", b""))
                    length += len(parts[-1])
                    self.in_memory += len(parts[-1])
                    if length > self.body_bytes:
                        raise too_long
                    if self.in_memory > BODIES_IN_MEMORY * self.body_bytes:
                        raise Refused(503, "bodies_full", "too many long bodies at a time; try again in 1 s", 1)
                    if not message.get("more_body", False):
                        return True
        except TimeoutError:
            self.admission.check_running()
            raise Refused(408, "slow_body", f"the body took longer than the {self.seconds:g} s allowed") from None
        return False

    @asynccontextmanager
    async def _limit(self) -> AsyncIterator[None]:
        """TimeoutError for what takes longer than `seconds`, or until the server stops."""
        async with asyncio.timeout(self.seconds) as limit:
            self.admission.uploads.add(limit)
            try:
                yield
            finally:
                self.admission.uploads.remove(limit)

    async def _answer(self, body: bytes, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Run the application on the body until it has answered or the client is gone, whichever comes first."""

        async def replay() -> "Message":
            return {"type": "http.request", "body": body, "more_body": False}

        async def client_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        answer = asyncio.ensure_future(self.app(scope, replay, send))
        gone = asyncio.ensure_future(client_gone())
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            facts = facts_of(scope)
            facts.gone = facts.status is None and not answer.done()
            if not facts.gone:  # what has begun to go out is finished
                await asyncio.wait((answer,))
        finally:
            answer.cancel()
            gone.cancel()
            await asyncio.wait((answer, gone))
        if not answer.cancelled():
            answer.result()
