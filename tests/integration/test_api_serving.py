"""Resources over real HTTP: who may, what is read, what is answered, what a bug or a flood comes to; WebSockets and their readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest

from daemon.api.http import line as lines
from daemon.api.http.answer import Answer
from daemon.api.http.asked import Asked, Body
from daemon.api.http.caller import Capability, Role
from daemon.api.http.resource import Channel, Line, Resource
from daemon.api_events import LineClosed, RequestAnswered, RequestDenied
from daemon.desks import NotThere, TooMuch
from daemon.errors import BrokerDown
from daemon.events import RequestCrashed
from tests.support.api_serving import LIMIT_S, Asking, asking
from tests.support.builders import MARKER

pytestmark = pytest.mark.anyio


class Thing(Body):
    """What is made."""

    name: str


class Scene:
    """Handlers that count."""

    def __init__(self) -> None:
        self.made = 0
        self.etag = "one"
        self.gate = anyio.Event()
        self.heard: list[bytes] = []

    async def show(self, asked: Asked) -> Any:
        return Answer({"name": asked.parts["name"]}, etag=self.etag)

    async def change(self, asked: Asked) -> Any:
        asked.expect(self.etag)
        self.etag = "two"
        return Answer({"name": asked.says(Thing).name}, etag=self.etag)

    async def make(self, asked: Asked) -> Any:
        del asked
        self.made += 1
        return {"number": self.made}

    async def fail(self, asked: Asked) -> Any:
        word = asked.parts["how"]
        if word == "bug":
            raise KeyError(MARKER)
        if word == "absent":
            raise NotThere("no such thing", hint="look elsewhere")
        if word == "much":
            raise TooMuch("too often", retry_after_s=7)
        raise BrokerDown("the broker does not answer")

    async def wait(self, asked: Asked) -> Any:
        del asked
        await self.gate.wait()
        return {}

    async def check(self, asked: Asked) -> Any:
        if asked.parts["name"] == "absent":
            raise NotThere("no such thing")
        if asked.parts["name"] == "broken":
            raise KeyError(MARKER)
        return asked.parts["name"]

    async def talk(self, asked: Asked, line: Line, found: Any) -> None:
        del asked
        if found == "bug":
            raise KeyError(MARKER)
        if found == "flood":
            while True:
                await line.send(b"x" * 60_000)
        await line.send(f'"{found}"'.encode())
        while (text := await line.receive()) is not None:
            self.heard.append(text)
            await line.send(text)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Asking]:
        resources = (
            Resource("GET", "/things/{name}", self.show, "show", "t"),
            Resource("PATCH", "/things/{name}", self.change, "change", "t", Role.OPERATOR, body=Thing),
            Resource(
                "POST", "/things", self.make, "make", "t", Role.OPERATOR, body=Thing, status=201, is_creation=True
            ),
            Resource("GET", "/secret", self.show, "s", "t", needs=frozenset((Capability.PHI,))),
            Resource("GET", "/fail/{how}", self.fail, "fail", "t", Role.NOBODY),
            Resource("GET", "/wait", self.wait, "wait", "t", Role.NOBODY),
        )
        channels = (Channel("/ws/{name}", self.talk, "talk", "t", check=self.check),)
        async with asking(resources, channels) as api:
            yield api


async def test_who_may_not_is_told_what_it_takes_and_that_is_told_to_us() -> None:
    async with Scene().open() as api:
        for caller, status, code in (("", 401, "not-signed-in"), ("viewer", 403, "not-permitted")):
            answer = await api.post("/things", {"name": "a"}, caller=caller)
            assert (answer.status, answer.body["code"]) == (status, code)
            assert "operator" in answer.text or caller == ""
        assert (await api.ask("/things/a", caller="")).headers["WWW-Authenticate"].startswith("Bearer")
        assert (await api.ask("/secret", caller="admin")).status == 403
        denied = [one for one in api.told if isinstance(one, RequestDenied)]
        assert [(one.code, one.route) for one in denied] == [
            ("not-signed-in", "/things"),
            ("not-permitted", "/things"),
            ("not-signed-in", "/things/{name}"),
            ("not-permitted", "/secret"),
        ]


async def test_what_the_caller_knows_already_is_not_sent_again_and_what_changed_since_is_not_overwritten() -> None:
    async with Scene().open() as api:
        first = await api.ask("/things/a")
        known = {"If-None-Match": first.headers["ETag"]}
        again = await api.ask("/things/a", headers=known)
        assert (first.status, again.status, again.text) == (200, 304, "")
        match = {"If-Match": first.headers["ETag"]}
        assert (await api.ask("/things/a", "PATCH", json={"name": "b"}, headers=match)).status == 200
        late = await api.ask("/things/a", "PATCH", json={"name": "c"}, headers=match)
        assert (late.status, late.body["code"]) == (412, "changed-since")


async def test_the_same_creation_twice_is_one() -> None:
    scene = Scene()
    async with scene.open() as api:
        key = {"Idempotency-Key": "k1"}
        first = await api.post("/things", {"name": "a"}, headers=key)
        again = await api.post("/things", {"name": "a"}, headers=key)
        other = await api.post("/things", {"name": "b"}, headers=key)
        assert (first.status, first.body, again.status, again.body) == (201, {"number": 1}, 201, {"number": 1})
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")
        assert scene.made == 1


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("bug", 500, "bug"),
        ("absent", 404, "not-there"),
        ("much", 429, "too-many-requests"),
        ("down", 503, "broker-down"),
    ],
)
async def test_each_failure_is_answered_by_whose_fault_it_is(how: str, status: int, code: str) -> None:
    async with Scene().open() as api:
        answer = await api.ask(f"/fail/{how}", caller="")
        assert (answer.status, answer.body["status"], answer.body["code"]) == (status, status, code)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.headers.get("Retry-After") == "7") is (how == "much")
        assert MARKER not in answer.text + repr(api.told)
        assert len([one for one in api.told if isinstance(one, RequestCrashed)]) == (how == "bug")
        [answered] = [one for one in api.told if isinstance(one, RequestAnswered)]
        assert (answered.route, answered.status) == ("/fail/{how}", status)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": str(10**9)}, {"Transfer-Encoding": "chunked"}],
)
async def test_a_body_beyond_its_limit_is_refused_before_it_is_held(headers: dict[str, str]) -> None:
    async with Scene().open() as api:
        address = api.api.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST /things HTTP/1.1\r\nHost: x\r\nX-Caller: admin\r\n{head}\r\n".encode())
        if "Transfer-Encoding" in headers:
            for _ in range(8):
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        with anyio.fail_after(LIMIT_S):
            assert b" 413 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize(("expectation", "first"), [("100-continue", b" 100 "), ("a miracle", b" 201 ")])
async def test_whoever_waits_for_leave_to_send_gets_it_and_other_expectations_are_passed_over(
    expectation: str, first: bytes
) -> None:
    async with Scene().open() as api:
        address = api.api.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = f"Host: x\r\nX-Caller: admin\r\nExpect: {expectation}\r\nContent-Length: 12\r\n"
        writer.write(f"POST /things HTTP/1.1\r\n{head}\r\n".encode())
        if first == b" 201 ":
            writer.write(b'{"name":"a"}')
        with anyio.fail_after(LIMIT_S):
            assert first in await reader.readline()
            if first == b" 100 ":
                assert await reader.readline() == b"\r\n"
                writer.write(b'{"name":"a"}')
                assert b" 201 " in await reader.readline()
        writer.close()


async def test_a_socket_talks_until_its_reader_goes() -> None:
    scene = Scene()
    async with scene.open() as api:
        async with api.line("/ws/a") as socket:
            assert await socket.receive_str() == '"a"'
            await socket.send_str("ping")
            assert await socket.receive_str() == "ping"
        with anyio.fail_after(LIMIT_S):
            while not any(isinstance(one, LineClosed) for one in api.told):  # noqa: ASYNC110 - over a socket
                await anyio.sleep(0.005)
        assert scene.heard == [b"ping"]


async def test_what_may_not_be_talked_about_is_refused_before_the_upgrade() -> None:
    async with Scene().open() as api:
        for path, caller, status in (("/ws/absent", "viewer", 404), ("/ws/a", "", 401), ("/ws/broken", "viewer", 500)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with api.line(path, caller=caller):
                    pass
            assert refused.value.status == status
        plain = await api.ask("/ws/a")
        assert (plain.status, plain.body["code"]) == (400, "bad-request")
        [crashed] = [one for one in api.told if isinstance(one, RequestCrashed)]
        assert crashed.asked == "WS /ws/{name}"
        assert MARKER not in repr(api.told)


async def test_a_bug_ends_the_socket_alone_and_says_nothing_of_it() -> None:
    async with Scene().open() as api:
        async with api.line("/ws/bug") as socket:
            end = await socket.receive()
            assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        assert MARKER not in repr(api.told)
        assert (await api.ask("/things/a")).status == 200


async def test_a_reader_that_is_too_slow_is_dropped_and_not_buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SEND_LIMIT_S", 0.2)
    async with Scene().open() as api:
        address = api.api.addresses[0]
        _, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
        writer.write(
            b"GET /ws/flood HTTP/1.1\r\nHost: x\r\nX-Caller: viewer\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        with anyio.fail_after(LIMIT_S):
            while not any(isinstance(one, LineClosed) and one.was_slow for one in api.told):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        writer.close()


async def test_when_the_daemon_ends_every_reader_is_told_so() -> None:
    async with Scene().open() as api, api.line("/ws/a") as socket:
        assert await socket.receive_str() == '"a"'
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(api.api.drain)
            end = await socket.receive()
            assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1012)
