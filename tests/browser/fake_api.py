"""The real page over a made-up API: every state a screen can meet, without making it happen first."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import anyio.from_thread
import orjson
from aiohttp import web

from daemon.api import Api
from daemon.api.dashboard import dashboard_resources
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked
from daemon.api.http.caller import NOBODY, Caller, Role
from daemon.api.http.problem import CONTENT_TYPE, problem
from daemon.api.http.resource import Channel, Line, Resource
from daemon.clock import SystemClock
from daemon.settings.values import Address

METHODS = ("GET", "POST", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Request:
    """What the page asked."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    key: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """Is raised, or given, where the API shall refuse."""

    status: int
    code: str = "no"
    detail: str = "This was refused."
    hint: str = ""
    errors: tuple[dict[str, str], ...] = ()


Reply: TypeAlias = Any | Callable[[Request], Any]


class Anyone:
    """Lets everybody in: who is signed in is what ``/api/session`` is made to say."""

    async def admit(self, request: web.Request, *, is_safe: bool) -> Caller:
        del request, is_safe
        return NOBODY

    def holds(self, caller: Caller) -> bool:
        del caller
        return True


@dataclass(slots=True)
class FakeApi:
    """What is answered, and what was asked.

    Attributes:
        replies: by method and pattern of the path; the one said last counts first.
        asked: everything but the files of the page.
        is_away: nothing is answered, and no WebSocket opens.
    """

    replies: list[tuple[str, re.Pattern[str], Reply]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    is_away: bool = False
    has_socket: bool = True
    version: str = "1.0.0"
    url: str = ""
    subscribed: set[str] = field(default_factory=set)
    _lines: set[Line] = field(default_factory=set)
    _portal: anyio.from_thread.BlockingPortal | None = None

    def says(self, path: str, reply: Reply, method: str = "GET") -> None:
        """Answer a path (``*`` stands for anything) with a body, a ``Refused``, or what a function gives."""
        pattern = re.compile("".join(".*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", path)))
        self.replies.insert(0, (method, pattern, reply))

    def changes(self, method: str = "") -> list[Request]:
        """List what was asked that changes something."""
        return [one for one in self.asked if (one.method == method if method else one.method != "GET")]

    def tell(self, topic: str, data: Any = None, kind: str = "event") -> None:
        """Send to every socket."""
        self._send({"type": kind, "topic": topic, "seq": 1, "cursor": "c1", "data": data or {}})

    def leave(self) -> None:
        """Go away: sockets close, nothing is answered."""
        self.is_away = True
        assert self._portal is not None
        for line in list(self._lines):
            self._portal.call(line.close, 1012, "the daemon ends")

    def come_back(self) -> None:
        """Answer again."""
        self.is_away = False

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._portal is not None
        for line in list(self._lines):
            self._portal.call(line.send, orjson.dumps(message))

    def _reply(self, request: Request) -> Any:
        for method, pattern, reply in self.replies:
            if method == request.method and pattern.fullmatch(request.path):
                found = reply(request) if callable(reply) else reply
                if isinstance(found, Refused):
                    raise found
                return found
        raise Refused(404, "not-there", f"The fake says nothing to {request.method} {request.path}.")

    def _handler(self, method: str) -> Callable[[Asked], Any]:
        async def handle(asked: Asked) -> Any:
            if self.is_away:
                return Answer(b"gone", 502, media_type="text/plain")
            body = orjson.loads(asked.raw_body) if asked.raw_body else None
            path = f"/api/{asked.parts['rest']}"
            request = Request(method, path, dict(asked.raw_query), body, asked.idempotency_key, asked.if_match)
            self.asked.append(request)
            try:
                found = self._reply(request)
            except Refused as no:
                document = problem(no.status, no.code, no.detail, hint=no.hint)
                document["errors"] = list(no.errors)
                return Answer(document, no.status, media_type=CONTENT_TYPE)
            return found if isinstance(found, Answer) else Answer(found)

        return handle

    async def _talk(self, asked: Asked, line: Line, found: Any) -> None:
        del asked, found
        if self.is_away or not self.has_socket:
            return
        self._lines.add(line)
        try:
            await line.send(orjson.dumps({"type": "hello", "version": self.version, "site": "aegis", "cursor": "c0"}))
            while (text := await line.receive()) is not None:
                said = orjson.loads(text)
                self.subscribed |= set(said.get("subscribe", ()))
                self.subscribed -= set(said.get("unsubscribe", ()))
        finally:
            self._lines.discard(line)
            self.subscribed.clear()

    async def run(self, started: threading.Event, stop: anyio.Event) -> None:
        """Serve until told to stop."""
        kinds: dict[str, Any] = {"role": Role.NOBODY, "is_raw": True, "is_hidden": True}
        fakes = tuple(
            Resource(method, "/api/{rest:.+}", self._handler(method), "made up", "fake", **kinds) for method in METHODS
        )
        channel = Channel("/api/ws/events", self._talk, "made up", "fake", Role.NOBODY)
        api = Api(
            Address("127.0.0.1", 0),
            (*dashboard_resources(), *fakes),
            (channel,),
            Anyone(),
            SystemClock(),
            lambda _: None,
        )
        async with anyio.from_thread.BlockingPortal() as self._portal:
            await api.open()
            self.url = f"http://{api.addresses[0]}"
            started.set()
            await stop.wait()
            await api.drain()


@contextmanager
def faking() -> Iterator[FakeApi]:
    """Serve a fake from a thread of its own."""
    fake, started = FakeApi(), threading.Event()
    with anyio.from_thread.start_blocking_portal() as portal:
        stop = portal.call(anyio.Event)
        served = portal.start_task_soon(fake.run, started, stop)
        assert started.wait(30) or served.result(0) is None
        try:
            yield fake
        finally:
            portal.call(stop.set)
            served.result(30)
