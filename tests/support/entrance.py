"""The real front door for tests: the API with tokens, sessions and all, before whatever resources are wanted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import anyio

from daemon.api import Api
from daemon.api.access import Entrance
from daemon.api.gate import Limits
from daemon.api.http.asked import Asked
from daemon.api.http.caller import Capability, Role
from daemon.api.http.resource import Channel, Line, Resource
from daemon.clock import Clock, SystemClock
from daemon.deeds import Deed
from daemon.errors import AuditFailed
from daemon.public import Public
from daemon.settings.sections import Settings
from tests.support.tokens import add_token

LIMIT_S = 30.0
PHI = frozenset((Capability.PHI,))


class Kept:
    """An audit trail in memory."""

    def __init__(self) -> None:
        self.deeds: list[Deed] = []
        self.is_full = False

    async def record(self, deed: Deed) -> None:
        if self.is_full:
            raise AuditFailed("the disk is full")
        self.deeds.append(deed)


@dataclass(slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass(slots=True)
class Door:
    """A served API, and ways to ask it."""

    api: Api
    entrance: Entrance
    audit: Kept
    told: list[object]
    state_dir: Path
    http: aiohttp.ClientSession
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.api.addresses[0]}"

    async def ask(self, path: str, method: str = "GET", *, token: str = "", **options: Any) -> Reply:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        async with self.http.request(method, f"{self.url}{path}", headers=headers, **options) as response:
            return Reply(response.status, response.headers, await response.text())

    async def sign_in(self, token: str) -> Browser:
        """Sign a browser in."""
        browser = Browser(self)
        reply = await browser.ask("/api/session", "POST", json={"token": token})
        assert reply.status == 200, reply.text
        browser.key = reply.body["key"]
        browser.cookie = reply.headers["Set-Cookie"].partition(";")[0]
        return browser

    async def noticed(self) -> None:
        """Wait until the daemon has looked at the file of tokens once more."""
        looks = self.entrance.store.looks
        with anyio.fail_after(LIMIT_S):
            while self.entrance.store.looks < looks + 2:
                self.entrance.store.look()
                await anyio.sleep(0.002)


@dataclass(slots=True)
class Browser:
    """Our own page in a browser: it says where it comes from, and repeats the key of its session."""

    door: Door
    key: str = ""
    cookie: str = ""
    more: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        own = {"Origin": self.door.url, "Sec-Fetch-Site": "same-origin", "Cookie": self.cookie}
        return {**own, "X-Carillon-Key": self.key, **self.more}

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Reply:
        headers = {**self.headers, **options.pop("headers", {})}
        kept = {name: value for name, value in headers.items() if value}
        return await self.door.ask(path, method, headers=kept, **options)

    def without(self, *names: str) -> Self:
        """Give the same without headers of these names."""
        self.more.update(dict.fromkeys(names, ""))
        return self


class Scene:
    """Resources of each kind, which count."""

    def __init__(self) -> None:
        self.changed = 0

    async def show(self, asked: Asked) -> Any:
        return {"who": asked.caller.who, "adt": asked.caller.may_see("adt"), "lab": asked.caller.may_see("lab")}

    async def change(self, asked: Asked) -> Any:
        del asked
        self.changed += 1
        return {}

    async def talk(self, asked: Asked, line: Line, found: Any) -> None:
        del asked, found
        await line.send(b'"open"')
        while await line.receive() is not None:
            pass

    @property
    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource("GET", "/open", self.show, "o", "t", Role.NOBODY),
            Resource("GET", "/seen", self.show, "s", "t"),
            Resource("GET", "/contents", self.show, "c", "t", needs=PHI),
            Resource("POST", "/changed", self.change, "c", "t", Role.OPERATOR),
            Resource("POST", "/read", self.show, "r", "t", is_reading=True),
            Resource("GET", "/metrics", self.show, "m", "t", Role.NOBODY),
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (Channel("/ws", self.talk, "t", "t"),)


@asynccontextmanager
async def front_door(
    folder: Path,
    resources: Sequence[Resource] = (),
    channels: Sequence[Channel] = (),
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
    **section: Any,
) -> AsyncIterator[Door]:
    """Serve resources on a free port of this machine, with everything that keeps others out."""
    clock = clock or SystemClock()
    site = {"name": "clinic", "state_dir": str(folder)}
    settings = Settings.model_validate({"site": site, "api": {"listen": "127.0.0.1:0", **section}})
    told: list[object] = []
    audit = Kept()
    entrance = Entrance(settings, audit, clock, told.append, Public("1.2.3"))
    every = entrance.bar((*entrance.resources, *resources))
    api = Api(
        settings.api.listen,
        every,
        channels,
        entrance.access,
        clock,
        told.append,
        tls=entrance.certificate,
        trusted=settings.api.trusted_proxies or (),
        limits=limits,
    )
    await entrance.store.open()
    await api.open()
    try:
        async with (
            anyio.create_task_group() as tasks,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        ):
            tasks.start_soon(entrance.store.serve)
            tasks.start_soon(api.serve)
            with anyio.fail_after(LIMIT_S):
                scheme = "http" if entrance.certificate is None else "https"
                yield Door(api, entrance, audit, told, folder, http, scheme)
            await entrance.store.drain()
            await api.drain()
            tasks.cancel_scope.cancel()
    finally:
        await api.drain()


async def known(door: Door, name: str = "anna", role: str = "operator", **more: Any) -> str:
    """Add a token that the daemon has noticed."""
    text = add_token(door.state_dir, name, role, **more)
    await door.noticed()
    return text
