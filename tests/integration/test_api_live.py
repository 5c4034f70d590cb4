"""Live events over a real WebSocket: what is told, what is resumed, and what happens to those who read slowly or say nonsense."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import pytest

from daemon.api.http.caller import Role
from daemon.api.live import Broadcast, live_channels
from daemon.api.live import broadcast as module
from daemon.api.live import frames as frames_module
from daemon.clock import SystemClock
from daemon.desks import LiveSource, NotThere, Topic
from daemon.public import Public
from tests.support.api_serving import ADMIN, VIEWER, Asking, asking

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0


@dataclass
class Side:
    """A side whose rows tests change."""

    rows: dict[str, Any] = field(default_factory=lambda: {"adt": {"name": "adt", "state": "quiet"}})
    looks: int = 0
    is_broken: bool = False

    async def live(self, role: Role) -> Mapping[str, Any]:
        self.looks += 1
        if self.is_broken:
            message = "away"
            raise NotThere(message)
        return {
            key: {**row, "allowed_actions": ["pause"] if role >= Role.OPERATOR else []}
            for key, row in self.rows.items()
        }


@dataclass
class Following:
    """An API with live events."""

    api: Asking
    broadcast: Broadcast
    feeds: Side
    alerts: Side


@asynccontextmanager
async def following(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Following]:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "SHARE", 0)
    feeds, alerts = Side(), Side({})
    sources = (
        LiveSource(Topic.FEEDS, feeds.live, every_s=0.0),
        LiveSource(Topic.ALERTS, alerts.live, every_s=0.0),
    )
    broadcast = Broadcast(Public("testsite"), Public("1.0"), SystemClock(), sources)
    async with asking((), live_channels(broadcast)) as api, anyio.create_task_group() as tasks:
        await broadcast.open()
        tasks.start_soon(broadcast.serve)
        yield Following(api, broadcast, feeds, alerts)
        await broadcast.drain()


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    with anyio.fail_after(LIMIT_S):
        return dict(json.loads(await socket.receive_str()))


async def said(socket: aiohttp.ClientWebSocketResponse, **values: Any) -> None:
    await socket.send_str(json.dumps(values))


async def test_a_snapshot_is_followed_by_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at, at.api.line("/api/ws/events", caller=VIEWER) as socket:
        hello = await heard(socket)
        assert (hello["type"], hello["site"], hello["version"], hello["topics"]) == (
            "hello",
            "testsite",
            "1.0",
            ["alerts", "feeds"],
        )
        await said(socket, subscribe=["feeds"])
        snapshot = await heard(socket)
        assert (snapshot["type"], snapshot["data"]["items"][0]["state"]) == ("snapshot", "quiet")
        at.feeds.rows["adt"] = {"name": "adt", "state": "receiving"}
        event = await heard(socket)
        assert (event["type"], event["topic"], event["data"]["changed"][0]["state"]) == ("event", "feeds", "receiving")
        del at.feeds.rows["adt"]
        assert (await heard(socket))["data"] == {"changed": [], "removed": ["adt"]}


async def test_who_comes_back_gets_what_was_missed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at:
        async with at.api.line("/api/ws/events", caller=VIEWER) as socket:
            await heard(socket)
            await said(socket, subscribe=["feeds", "alerts"])
            cursor = [await heard(socket), await heard(socket)][-1]["cursor"]
        at.feeds.rows["adt"] = {"name": "adt", "state": "down"}  # while nobody follows
        async with at.api.line("/api/ws/events", caller=VIEWER) as socket:
            await heard(socket)
            await said(socket, subscribe=["feeds", "alerts"], since=cursor)
            event = await heard(socket)
            assert (event["type"], event["data"]["changed"][0]["state"]) == ("event", "down")


async def test_a_cursor_nobody_can_go_on_from_gives_a_gap_and_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at, at.api.line("/api/ws/events", caller=VIEWER) as socket:
        await heard(socket)
        async with at.api.line("/api/ws/events", caller=VIEWER) as other:  # somebody follows already
            await heard(other)
            await said(other, subscribe=["feeds"])
            await heard(other)
            await said(socket, subscribe=["feeds"], since="elsewhere.viewer.7")
            assert [(await heard(socket))["type"] for _ in range(2)] == ["gap", "snapshot"]


async def test_each_role_sees_what_it_may_do_and_one_look_serves_all_of_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at:
        texts: dict[str, list[str]] = {}
        for caller in (VIEWER, VIEWER, ADMIN):
            async with at.api.line("/api/ws/events", caller=caller) as socket:
                await heard(socket)
                await said(socket, subscribe=["feeds"])
                with anyio.fail_after(LIMIT_S):
                    texts.setdefault(caller, []).append(await socket.receive_str())
        assert len(set(texts[VIEWER])) == 1
        assert [json.loads(texts[one][0])["data"]["items"][0]["allowed_actions"] for one in (VIEWER, ADMIN)] == [
            [],
            ["pause"],
        ]


async def test_one_look_serves_all_who_come_before_the_next_is_due() -> None:
    side = Side({f"feed-{number}": {"name": f"feed-{number}"} for number in range(1_500)})
    source = LiveSource(Topic.FEEDS, side.live, every_s=3600.0)
    broadcast = Broadcast(Public("testsite"), Public("1.0"), SystemClock(), (source,))
    async with asking((), live_channels(broadcast)) as api:
        for _ in range(3):
            async with api.line("/api/ws/events", caller=VIEWER) as socket:
                await heard(socket)
                await said(socket, subscribe=["feeds"])
                snapshot = await heard(socket)
                assert (snapshot["type"], len(snapshot["data"]["items"])) == ("snapshot", frames_module.ROWS_LIMIT)
        assert side.looks == 1


async def test_nothing_is_looked_at_while_nobody_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at:
        async with at.api.line("/api/ws/events", caller=VIEWER) as socket:
            await heard(socket)
            await said(socket, subscribe=["alerts"])
            await heard(socket)
        assert at.feeds.looks == 0
        with anyio.fail_after(LIMIT_S):
            while at.broadcast.readers:  # noqa: ASYNC110 - the other side closes in its own time
                await anyio.sleep(0.005)
        looks = at.alerts.looks
        for _ in range(20):
            await at.broadcast.tick()
        assert at.alerts.looks == looks


async def test_nonsense_is_answered_and_too_much_of_it_ends_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAYINGS_PER_S", 0.0)
    async with following(monkeypatch) as at, at.api.line("/api/ws/events", caller=VIEWER) as socket:
        await heard(socket)
        await socket.send_str("no JSON")
        assert (await heard(socket))["type"] == "problem"
        with anyio.fail_after(LIMIT_S):
            while not socket.closed:
                await socket.send_str('{"subscribe":["nothing"]}')
                if (await socket.receive()).type is not aiohttp.WSMsgType.TEXT:
                    break
        assert socket.close_code == 1008


async def test_a_side_that_cannot_be_looked_at_is_said_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at, at.api.line("/api/ws/events", caller=VIEWER) as socket:
        at.feeds.is_broken = True
        await heard(socket)
        await said(socket, subscribe=["feeds", "alerts"])
        found = [await heard(socket), await heard(socket)]
        assert [(one["type"], one["topic"]) for one in found] == [("problem", "feeds"), ("snapshot", "alerts")]
        at.feeds.is_broken = False
        await said(socket, subscribe=["feeds"])
        assert (await heard(socket))["type"] == "snapshot"


async def test_who_reads_too_slowly_gets_all_there_is_instead_of_what_was_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames_module, "FRAMES_LIMIT", 3)
    held = anyio.Event()

    class Slow:
        """A reader that stands still after its second frame."""

        def __init__(self) -> None:
            self.got: list[dict[str, Any]] = []

        async def send(self, text: bytes) -> None:
            self.got.append(json.loads(text))
            if len(self.got) == 2:
                await held.wait()

    from daemon.api.live.frames import Telling  # noqa: PLC0415 - beside what is patched
    from daemon.api.live.reader import Reader  # noqa: PLC0415

    telling, line = Telling("e", "viewer"), Slow()
    telling.take("feeds", {"a": b"0"}, is_window=False)
    reader = Reader(telling, line)  # type: ignore[arg-type]  # all of a line that is used
    reader.follow("feeds", None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.run)
        for number in range(1, 20):
            telling.take("feeds", {"a": b"%d" % number}, is_window=False)
            reader.wake()
            await anyio.lowlevel.checkpoint()
        held.set()
        with anyio.fail_after(LIMIT_S):
            while line.got[-1].get("data") != {"items": [19]}:  # noqa: ASYNC110 - a reader of its own
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert [one["type"] for one in line.got[-2:]] == ["gap", "snapshot"]
    assert len(line.got) < 10


async def test_nobody_without_a_role_follows_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(monkeypatch) as at:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with at.api.line("/api/ws/events", caller=""):
                pass
        assert refused.value.status == 401
