"""What attackers send to the API, as bytes: heads, bodies, paths, hosts, frames. Each is refused or closed; the API lives on."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from daemon.api.gate import Gate, Limits
from daemon.api.http import serving
from daemon.api.http.asked import Asked, Body
from daemon.api.http.caller import Role
from daemon.api.http.resource import Channel, Line, Resource
from daemon.api_events import RequestDenied
from daemon.events import RequestCrashed, Warned
from tests.support.clock import SetClock
from tests.support.entrance import Door, front_door
from tests.support.tokens import add_token

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0
QUICK = Limits(connections=40, each=1000, head_s=0.5, idle_s=0.5, write_s=1.0)
LARGE_BYTES = 8 * 1024 * 1024


class Thing(Body):
    """A body with a number, a text and a list."""

    number: int = 0
    text: str = ""
    many: tuple[int, ...] = ()


async def show(asked: Asked) -> Any:
    return {"name": asked.parts.get("name", "")}


async def take(asked: Asked) -> Any:
    said = asked.says(Thing)
    return {"number": said.number, "text": said.text}


async def large(asked: Asked) -> Any:
    del asked
    return b"x" * LARGE_BYTES


async def talk(asked: Asked, line: Line, found: Any) -> None:
    del asked, found
    while (text := await line.receive()) is not None:
        await line.send(text)


RESOURCES = (
    Resource("GET", "/things/{name}", show, "s", "t", Role.NOBODY),
    Resource("POST", "/things", take, "t", "t", Role.NOBODY, body=Thing, is_reading=True),
    Resource("GET", "/large", large, "l", "t", Role.NOBODY),
)
CHANNELS = (Channel("/ws", talk, "t", "t"),)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with front_door(tmp_path, RESOURCES, CHANNELS, limits=QUICK) as found:
        yield found
        assert (await found.ask("/things/a")).status == 200  # it lives on
        assert [one for one in found.told if isinstance(one, RequestCrashed)] == []


async def raw(door: Door, *parts: bytes, wait_s: float = LIMIT_S) -> bytes:
    """Write bytes, and read until the API closes the connection."""
    address = door.api.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        with anyio.move_on_after(wait_s):
            return await reader.read(-1)
    except ConnectionError:
        return b""
    finally:
        writer.close()
    raise AssertionError("it was not closed")


def gate_of(door: Door) -> Gate:
    assert door.api._gate is not None
    return door.api._gate


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(LIMIT_S):
        while not is_so():  # noqa: ASYNC110 - what is waited for is the daemon's, and tells nobody
            await anyio.sleep(0.01)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


GET = b"GET /things/a HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1\r\n"
END = b"Connection: close\r\n\r\n"
POST = b"POST /things HTTP/1.1\r\n" + HOST
CUT = POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\nGET /large HTTP/1.1\r\n"


# -- heads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        GET + END,
        b"GET /things/a HTTP/1.0\r\n\r\n",
        GET + HOST + HOST + END,
        GET + HOST + b"Host: evil.example\r\n" + END,
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n" + END + b"{}",
        POST + b"Content-Length: 2, 2\r\n" + END + b"{}",
        POST + b"Content-Length: +2\r\n" + END + b"{}",
        POST + b"Content-Length: -1\r\n" + END,
        POST + b"Content-Length: 0x2\r\n" + END + b"{}",
        CUT,
        POST + b"Transfer-Encoding: chunked, identity\r\n" + END,
        POST + b"Transfer-Encoding: xchunked\r\n" + END + b"0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n" + END + b"zz\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n" + END + b"2;\x00\r\n{}\r\n0\r\n\r\n",
        GET + HOST + b"X: a\x00b\r\n" + END,
        GET + HOST + b"X : a\r\n" + END,
        GET + HOST + b" folded: a\r\n" + END,
        GET + HOST + b"X: a\r\n b\r\n" + END,
        GET + HOST + b"X: a\nY: b\r\n\r" + END,
        b"GET /things/a HTTP/3.9\r\n" + HOST + END,
        b"GET /things/a\x00 HTTP/1.1\r\n" + HOST + END,
        b"GET /things/\xff\xfe HTTP/1.1\r\n" + HOST + END,
        b"G\x01T /things/a HTTP/1.1\r\n" + HOST + END,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(100),
        b"\x0bMSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\r\x1c\r",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        GET + HOST + b"X: " + b"a" * 65_536 + b"\r\n" + END,
        b"GET /things/" + b"a" * 65_536 + b" HTTP/1.1\r\n" + HOST + END,
        GET + HOST + b"".join(b"X%d: a\r\n" % number for number in range(2000)) + END,
    ],
)  # fmt: skip
async def test_a_head_that_is_not_right_gets_400_and_the_connection_ends(door: Door, head: bytes) -> None:
    """Item 52: and what is smuggled behind one is never read as a request of its own."""
    answer = await raw(door, head)
    assert status_of(answer) in (400, 431), answer[:200]
    assert answer.count(b"HTTP/1.") == 1
    for word in (b"Traceback", b"aiohttp", b"Python", b"/things"):
        assert word not in answer


async def test_a_request_is_not_read_from_what_follows_a_refused_one(door: Door) -> None:
    answer = await raw(door, POST + b"Content-Length: 9999999999\r\n\r\n" + GET + HOST + END)
    assert status_of(answer) == 413
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.example:8674"]
)
async def test_a_name_that_is_not_ours_gets_421(door: Door, host: str) -> None:
    """Item 46: a page of the attacker's whose name was led here (DNS rebinding)."""
    reply = await door.ask("/things/a", headers={"Host": host})
    assert (reply.status, reply.code, host in reply.text) == (421, "not-our-host", False)
    assert (await door.ask("/api/session", "POST", json={"token": "x"}, headers={"Host": host})).status == 421
    assert [one.code for one in door.told if isinstance(one, RequestDenied)] == ["not-our-host"] * 2


async def test_other_sites_are_granted_nothing(door: Door) -> None:
    """Item 47."""
    reply = await door.ask(
        "/things/a", "OPTIONS", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert reply.status == 405
    for method in ("GET", "OPTIONS"):
        reply = await door.ask("/things/a", method, headers={"Origin": "http://evil.example"})
        assert not [name for name in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "DELETE", "PUT", "PROPFIND", "FOO", "get"])
async def test_a_method_that_is_not_there_gets_405_or_400(door: Door, method: str) -> None:
    """Item 48."""
    answer = await raw(door, method.encode() + b" /things/a HTTP/1.1\r\n" + HOST + END)
    assert status_of(answer) in (400, 404, 405), answer[:200]


async def test_a_header_does_not_change_the_method(door: Door) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert (await door.ask("/things/a", headers={name: "POST"})).body == {"name": "a"}
        assert (await door.ask("/things/a", "POST", headers={name: "GET"})).status == 405


@pytest.mark.parametrize(
    "path",
    ["/../etc/passwd", "/things/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/web/../../etc/passwd",
     "/web/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/things/a/b", "/things", "/things/", "/.git/config", "/api/",
     "/things/..%2f..%2fetc%2fpasswd/x", "/;/things"],
)  # fmt: skip
async def test_no_path_leads_out(door: Door, path: str) -> None:
    """Item 55."""
    answer = await raw(door, b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + END)
    assert status_of(answer) in (400, 404, 405), answer[:200]
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "name",
    [
        "%00",
        "%0d%0aX-Injected:%20yes",
        "%E2%80%AE",
        "%ED%A0%80",
        "%2e%2e",
        "..%2f..",
        "%F0%9F%94%94",
        "a%2fb",
        "a" * 4000,
    ],
)
async def test_odd_names_are_names_and_nothing_else(door: Door, name: str) -> None:
    """Item 56."""
    answer = await raw(door, b"GET /things/" + name.encode() + b" HTTP/1.1\r\n" + HOST + END)
    assert status_of(answer) in (200, 400, 404), answer[:200]
    assert b"\r\nX-Injected" not in answer


async def test_an_absolute_address_in_the_request_line_is_no_way_around_the_host(door: Door) -> None:
    answer = await raw(door, b"GET http://evil.example/things/a HTTP/1.1\r\nHost: evil.example\r\n" + END)
    assert status_of(answer) in (400, 404, 421), answer[:200]


async def test_refusals_say_nothing_of_what_runs_here_or_of_what_was_sent(door: Door) -> None:
    """Item 66."""
    for reply in (
        await door.ask("/absent/ZZPATIENT"),
        await door.ask("/things/a?ZZPATIENT=1"),
        await door.ask("/things", "POST", data=b'{"text": ZZPATIENT}'),
        await door.ask("/things", "POST", json={"number": "ZZPATIENT"}),
        await door.ask("/ws?token=ZZPATIENT"),
    ):
        assert 400 <= reply.status < 500
        for word in ("ZZPATIENT=", "aiohttp", "Python", "Traceback", "daemon/", "1.2.3"):
            assert word not in reply.text + str(reply.headers)
        assert reply.headers["Content-Type"].startswith("application/problem+json")


# -- bodies ------------------------------------------------------------------------------------------------------------


async def post(door: Door, body: bytes, **headers: str) -> int:
    return (
        await door.ask("/things", "POST", data=body, headers={"Content-Type": "application/json", **headers})
    ).status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"text":' * 20_000 + b"1" + b"}" * 20_000, 400),
        (b'{"number": ' + b"9" * 5000 + b"}", 400),
        (b'{"number": NaN}', 400),
        (b'{"number": Infinity}', 400),
        (b'{"number": 1e400}', 400),
        (b'{"number": -0.5}', 422),
        (b'{"number": true}', 422),
        (b'{"number": "1"}', 422),
        (b'{"text": "\\ud800"}', 400),
        (b'{"text": "\xff"}', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"\x00" * 1000, 400),
        (b'{"a": 1}', 422),
        (b'{"__proto__": {"admin": true}}', 422),
        (b'{"py/object": "os.system", "__reduce__": ["id"]}', 422),
        (b"[]", 400),
        (b'"text"', 400),
        (b"null", 400),
        (b"{}" + b"{}", 400),
        (b"", 200),
        (json.dumps({"many": list(range(30_000))}).encode(), 200),
    ],
)
async def test_json_that_is_not_right_is_refused(door: Door, body: bytes, status: int) -> None:
    """Items 50, 51, 59."""
    assert await post(door, body) == status


async def test_bodies_are_bounded_however_they_come(door: Door) -> None:
    """Item 49."""
    assert status_of(await raw(door, POST + b"Content-Length: 1000000000\r\n\r\n")) == 413
    assert status_of(await raw(door, POST + b"Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n")) in (
        100,
        413,
    )
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    answer = await raw(door, POST + b"Transfer-Encoding: chunked\r\n\r\n", *([chunk] * 64))
    assert status_of(answer) in (0, 413)  # it may be closed before all is written


async def test_a_body_that_swells_is_bounded(door: Door) -> None:
    """Item 49: what is counted is what came out of it."""
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    assert len(bomb) < 70_000
    assert await post(door, bomb, **{"Content-Encoding": "gzip"}) in (400, 413)
    assert await post(door, bomb, **{"Content-Encoding": "gzip, gzip"}) in (400, 413)


async def test_a_body_that_does_not_come_is_not_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 53."""
    monkeypatch.setattr(serving, "BODY_LIMIT_S", 0.2)
    assert status_of(await raw(door, POST + b"Content-Length: 100\r\n\r\n{")) == 408


# -- connections -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", b"GET /things/a HTT", GET + HOST + b"X: a"])
async def test_a_head_that_does_not_come_is_not_waited_for(door: Door, said: bytes) -> None:
    """Item 53."""
    assert status_of(await raw(door, said)) in (0, 400, 408)


async def test_a_head_that_drips_is_not_waited_for(door: Door) -> None:
    address = door.api.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(GET + HOST)
    with anyio.fail_after(LIMIT_S):
        while True:
            writer.write(b"X: a\r\n")
            try:
                await writer.drain()
                with anyio.move_on_after(0.05):
                    if await reader.read(1000) == b"":
                        break
            except ConnectionError:
                break
    writer.close()


async def test_a_connection_that_is_used_stays_however_long(door: Door) -> None:
    """Quick requests, one after the other, over more than the time an idle one has."""
    address = door.api.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    for _ in range(30):
        writer.write(GET + HOST + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        [length] = [
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        await reader.readexactly(length)
        await anyio.sleep(0.1)
    writer.close()


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever(door: Door) -> None:
    """Item 53."""
    address = door.api.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
    writer.write(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
    with anyio.fail_after(LIMIT_S):
        await until(lambda: bool(gate_of(door)._connections))
        await until(lambda: not gate_of(door)._connections)
    taken = 0
    try:
        while part := await reader.read(65_536):
            taken += len(part)
    except ConnectionError:
        pass
    assert taken < LARGE_BYTES
    writer.close()


async def test_idle_connections_make_room_for_others(door: Door) -> None:
    address = door.api.addresses[0]
    idle = [await asyncio.open_connection(address.host, address.port) for _ in range(3 * QUICK.connections)]
    assert (await door.ask("/things/a")).status == 200
    assert len(gate_of(door)) <= QUICK.connections
    for _, writer in idle:
        writer.close()


async def test_one_address_has_a_bounded_number_of_connections_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.server.Api._is_exempt", lambda self, address: False)  # noqa: ARG005
    async with front_door(tmp_path, RESOURCES, limits=Limits(each=5)) as door:
        address = door.api.addresses[0]
        idle = [await asyncio.open_connection(address.host, address.port) for _ in range(20)]
        with anyio.fail_after(LIMIT_S):
            closed = 0
            for reader, _ in idle[5:]:
                closed += await reader.read(1) == b""
            await until(lambda: any(isinstance(one, Warned) and one.code == "connections-refused" for one in door.told))
        assert closed == 15
        for _, writer in idle:
            writer.close()


async def test_connecting_and_leaving_leaves_nothing_behind(door: Door) -> None:
    address = door.api.addresses[0]
    for _ in range(300):
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.transport.abort()
    with anyio.fail_after(LIMIT_S):
        await until(lambda: not len(gate_of(door)) and not gate_of(door)._connections)


# -- WebSockets --------------------------------------------------------------------------------------------------------


async def upgraded(door: Door, extra: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    text = add_token(door.state_dir, f"t{os.urandom(4).hex()}")
    await door.noticed()
    address = door.api.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer "
        + text.encode()
        + b"\r\n"
        + extra
        + b"\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b"permessage-deflate" not in head.lower()
    return reader, writer


def frame(
    opcode: int, payload: bytes = b"", *, is_last: bool = True, is_masked: bool = True, reserved: int = 0
) -> bytes:
    size = len(payload)
    first = bytes([(0x80 if is_last else 0) | reserved << 4 | opcode])
    flag = 0x80 if is_masked else 0
    if size < 126:
        head = bytes([flag | size])
    elif size < 65_536:
        head = bytes([flag | 126]) + struct.pack("!H", size)
    else:
        head = bytes([flag | 127]) + struct.pack("!Q", size)
    return first + head + (b"\0\0\0\0" if is_masked else b"") + payload


@pytest.mark.parametrize(
    "bytes_",
    [
        frame(1, b"x" * 1_000_000),
        bytes([0x81, 0xFF]) + struct.pack("!Q", 2**63 - 1) + b"\0\0\0\0",
        b"".join(frame(1 if not number else 0, b"x" * 1000, is_last=False) for number in range(100)),
        frame(1, b"x", is_last=False) + frame(1, b"y"),
        frame(1, b"x", reserved=4),
        frame(3, b"x"),
        frame(9, b"x" * 200),
        frame(1, b"\xff\xfe"),
        frame(8, b"\x00"),
        frame(2, b"bytes"),
        os.urandom(50_000),
    ],
)
async def test_frames_that_are_not_right_end_the_socket(door: Door, bytes_: bytes) -> None:
    """Item 54: too long, without end, compressed, unknown, control frames too long, no text."""
    reader, writer = await upgraded(door, b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
    try:
        writer.write(bytes_)
        with anyio.fail_after(LIMIT_S):
            rest = await reader.read(-1)
    except ConnectionError:
        rest = b""
    assert len(rest) < 20_000
    writer.close()


async def test_a_flood_of_pings_disturbs_nobody(door: Door) -> None:
    _, writer = await upgraded(door)
    for _ in range(50):
        writer.write(frame(9, b"x") * 200)
    assert (await door.ask("/things/a")).status == 200
    writer.transport.abort()


async def test_open_sockets_do_not_count_as_connections_that_wait(tmp_path: Path) -> None:
    clock = SetClock()
    async with front_door(tmp_path, RESOURCES, CHANNELS, clock=clock, limits=QUICK) as door:
        text = add_token(door.state_dir, "many")
        await door.noticed()
        headers = {"Authorization": f"Bearer {text}"}
        open_ = [await door.http.ws_connect(f"{door.url}/ws", headers=headers) for _ in range(QUICK.connections + 20)]
        address = door.api.addresses[0]
        idle, writer = await asyncio.open_connection(address.host, address.port)
        await until(lambda: len(gate_of(door)) == 1)
        clock.advance(QUICK.head_s + QUICK.idle_s)
        door.api.look()
        assert await idle.read(1) == b""  # the gate has looked, and the time is over
        writer.close()
        for one in open_:
            await one.send_str("a")
            assert await one.receive_str(timeout=LIMIT_S) == "a"
        for one in open_:
            await one.close()
        assert (await door.ask("/things/a")).status == 200


async def test_too_many_sockets_are_refused(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LINES_LIMIT", 2)
    text = add_token(door.state_dir, "many")
    await door.noticed()
    headers = {"Authorization": f"Bearer {text}"}
    open_ = [await door.http.ws_connect(f"{door.url}/ws", headers=headers) for _ in range(2)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await door.http.ws_connect(f"{door.url}/ws", headers=headers)
    assert refused.value.status == 429
    for one in open_:
        await one.close()
