"""An API over real HTTP for tests: whichever resources are wanted, and callers that say who they are in a header."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import anyio
from aiohttp import web
from multidict import CIMultiDict

from daemon.api import Api
from daemon.api.http.caller import NOBODY, Caller, Capability, Means, Role
from daemon.api.http.resource import Channel, Resource
from daemon.clock import Clock, SystemClock
from daemon.public import Public
from daemon.settings.values import Address

ANYWHERE = Address("127.0.0.1", 0)
LIMIT_S = 30.0
CALLER_HEADER = "X-Caller"
VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"
PHI, RESULTS = "phi", "results"


class SaidAccess:
    """Believes what the header says: a role and capabilities, as in ``operator phi``, and of which feeds (``feed:adt``).

    The name is the role's.
    """

    async def admit(self, request: web.Request, *, is_safe: bool) -> Caller:
        del is_safe
        words = request.headers.get(CALLER_HEADER, "").split()
        if not words:
            return NOBODY
        role = Role[words[0].upper()]
        feeds = frozenset(word.removeprefix("feed:") for word in words[1:] if word.startswith("feed:"))
        capabilities = frozenset(Capability(word) for word in words[1:] if not word.startswith("feed:"))
        return Caller(Public(words[0]), role, Means.TOKEN, capabilities, Public("127.0.0.1"), feeds or None)

    def holds(self, caller: Caller) -> bool:
        return caller.role is not Role.NOBODY


@dataclass(slots=True)
class Reply:
    """What came back."""

    status: int
    headers: CIMultiDict[str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(slots=True)
class Asking:
    """A served API, and a way to ask it."""

    api: Api
    http: aiohttp.ClientSession
    told: list[object]

    @property
    def url(self) -> str:
        return f"http://{self.api.addresses[0]}"

    async def ask(
        self, path: str, method: str = "GET", *, caller: str = ADMIN, json: Any = None, **options: Any
    ) -> Reply:
        headers = {**({CALLER_HEADER: caller} if caller else {}), **options.pop("headers", {})}
        async with self.http.request(method, f"{self.url}{path}", json=json, headers=headers, **options) as response:
            return Reply(response.status, CIMultiDict(response.headers), await response.text())

    async def post(self, path: str, json: Any = None, *, caller: str = ADMIN, **options: Any) -> Reply:
        return await self.ask(path, "POST", caller=caller, json=json, **options)

    @asynccontextmanager
    async def line(self, path: str, *, caller: str = ADMIN) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket."""
        headers = {CALLER_HEADER: caller} if caller else {}
        async with self.http.ws_connect(f"{self.url}{path}", headers=headers) as socket:
            yield socket


@asynccontextmanager
async def asking(
    resources: Sequence[Resource], channels: Sequence[Channel] = (), *, clock: Clock | None = None
) -> AsyncIterator[Asking]:
    """Serve resources on a free port of this machine."""
    told: list[object] = []
    api = Api(ANYWHERE, resources, channels, SaidAccess(), clock or SystemClock(), told.append)
    await api.open()
    try:
        with anyio.fail_after(LIMIT_S):
            async with aiohttp.ClientSession() as http:
                yield Asking(api, http, told)
    finally:
        await api.drain()
