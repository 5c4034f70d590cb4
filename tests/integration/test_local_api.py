"""The socket for commands of this machine, over itself: what is asked wrongly, too much, too slowly, or meets a bug."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.api.http import serving as handlers
from daemon.api.http.asked import Asked, Body
from daemon.api.http.resource import Resource
from daemon.api.local import SOCKET, LocalApi, service
from daemon.api_events import RequestAnswered
from daemon.clock import SystemClock
from daemon.events import RequestCrashed
from tests.support.builders import MARKER

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0
BODY_LIMIT_BYTES = 1000


@dataclass(slots=True)
class Served:
    """A socket, what stands behind it, and what was told."""

    path: Path
    told: list[object]
    gate: anyio.Event
    waiting: int = 0

    async def ask(self, request: bytes) -> tuple[int, Any]:
        """Send bytes and read the answer, a JSON document."""
        with anyio.fail_after(LIMIT_S):
            reader, writer = await asyncio.open_unix_connection(str(self.path))
            writer.write(request)
            found = await answer_of(reader)
            writer.close()
            return found


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def post(path: str, length: int, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + body


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    served = Served(folder / SOCKET, [], anyio.Event())

    async def fine(asked: Asked) -> Any:
        return {"fields": len(asked.raw_body)}

    async def buggy(asked: Asked) -> Any:
        message = f"{asked.parts} {MARKER}"
        raise KeyError(message)

    async def waits(asked: Asked) -> Any:
        del asked
        served.waiting += 1
        await served.gate.wait()
        return {}

    resources = (
        Resource("GET", "/fine", fine, "fine", "test"),
        Resource("POST", "/fine", fine, "fine", "test", body=Body, body_limit_bytes=BODY_LIMIT_BYTES),
        Resource("GET", "/bug/{name}", buggy, "a bug", "test"),
        Resource("GET", "/waits", waits, "waits", "test"),
    )
    api = LocalApi(folder, resources, SystemClock(), served.told.append)
    await api.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(api.serve)
        try:
            yield served
        finally:
            await api.drain()


async def test_a_bug_is_answered_with_a_problem_and_told_with_its_place_and_nothing_of_the_request(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        status, problem = await served.ask(get(f"/bug/{MARKER}"))
        assert (status, problem["code"]) == (500, "bug")
        assert MARKER not in json.dumps(problem)
        [told] = [one for one in served.told if isinstance(one, RequestCrashed)]
        assert told.asked == "GET /bug/{name}"
        assert "test_local_api.py" in told.frames
        assert MARKER not in repr(told)
        assert await served.ask(get("/fine")) == (200, {"fields": 0})


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (get("/nothing"), 404, "not-found"),
        (post("/bug/x", 0, b""), 405, "method-not-allowed"),
        (post("/fine", 3, b"not"), 400, "bad-request"),
        (post("/fine", 2, b"[]"), 400, "bad-request"),
        (post("/fine", BODY_LIMIT_BYTES + 1, b"x" * (BODY_LIMIT_BYTES + 1)), 413, "body-too-long"),
    ],
)
async def test_what_is_asked_wrongly_is_answered_with_a_problem(
    tmp_path: Path, request_bytes: bytes, status: int, code: str
) -> None:
    async with serving(tmp_path) as served:
        found, problem = await served.ask(request_bytes)
        assert (found, problem["code"], problem["status"]) == (status, code, status)
        assert not [one for one in served.told if isinstance(one, RequestCrashed)]


async def test_more_than_so_many_requests_at_once_are_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "REQUESTS_LIMIT", 2)
    async with serving(tmp_path) as served, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(served.ask, get("/waits"))
        with anyio.fail_after(LIMIT_S):
            while served.waiting < 2:  # noqa: ASYNC110 - over a socket
                await anyio.sleep(0.005)
        status, problem = await served.ask(get("/fine"))
        assert (status, problem["code"]) == (503, "too-many-requests")
        assert [one.status for one in served.told if isinstance(one, RequestAnswered)] == [503]
        served.gate.set()
        with anyio.fail_after(LIMIT_S):
            while (await served.ask(get("/fine")))[0] != 200:  # noqa: ASYNC110 - over a socket
                await anyio.sleep(0.005)


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "BODY_LIMIT_S", 0.05)
    async with serving(tmp_path) as served:
        status, problem = await served.ask(post("/fine", 100, b"{"))
        assert (status, problem["code"]) == (408, "body-not-completed")


@pytest.mark.parametrize("begun", [b"", b"GET /fi", b"GET /fine HTTP/1.1\r\nHost:"])
async def test_a_connection_without_a_whole_request_is_closed_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(service, "IDLE_LIMIT_S", 0.1)
    async with serving(tmp_path) as served:
        with anyio.fail_after(LIMIT_S):
            reader, writer = await asyncio.open_unix_connection(str(served.path))
            writer.write(begun)
            assert await reader.read() == b""
            writer.close()


async def test_one_that_is_being_answered_is_not_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "IDLE_LIMIT_S", 0.02)
    async with serving(tmp_path) as served, anyio.create_task_group() as tasks:
        found: list[tuple[int, Any]] = []

        async def ask() -> None:
            found.append(await served.ask(get("/waits")))

        tasks.start_soon(ask)
        reader, writer = await asyncio.open_unix_connection(str(served.path))
        with anyio.fail_after(LIMIT_S):
            assert await reader.read() == b""  # an idle one beside it was, so it was looked at
        writer.close()
        assert served.waiting == 1
        served.gate.set()
    assert found == [(200, {})]
