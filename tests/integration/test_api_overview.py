"""A whole daemon over its API: how the site is, its feeds, its alerts and what is told live, to those who may see it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.support.builders import MARKER, adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.tokens import add_token
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0
FEEDS = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
type = "ADT"
task = "recording.message"

[feed.lab]
listen = "127.0.0.1:0"
unrouted = "park"
"""
WATCH = """
[watch]
webhook = "http://127.0.0.1:1/hook/secret-path"
"""


@dataclass
class Whole:
    """A daemon, and tokens to ask it with."""

    daemon: DaemonProcess
    http: aiohttp.ClientSession
    url: str
    tokens: dict[str, str]

    async def ask(self, path: str, who: str = "viewer", body: Any = None) -> tuple[int, Any]:
        method = "GET" if body is None else "POST"
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        async with self.http.request(method, f"{self.url}{path}", json=body, headers=headers) as response:
            return response.status, json.loads(await response.text())

    async def until(self, path: str, wanted: Any) -> Any:
        """Ask until what comes is as wanted."""
        with anyio.fail_after(LIMIT_S):
            while True:
                _, found = await self.ask(path)
                if wanted(found):
                    return found
                await anyio.sleep(0.05)


@asynccontextmanager
async def whole(folder: Path, valkey: ValkeyServer) -> AsyncIterator[Whole]:
    site = write_site(folder, site_text(broker_url=valkey.url, feeds=FEEDS) + WATCH)
    with DaemonProcess(site) as daemon:
        address = (await anyio.to_thread.run_sync(lambda: daemon.wait_for("api.listening")))["address"]
        await anyio.to_thread.run_sync(daemon.ready)
        tokens = {role: add_token(folder / "state", role, role=role) for role in ("viewer", "operator", "admin")}
        async with aiohttp.ClientSession() as http:
            at = Whole(daemon, http, f"http://{address}", tokens)
            await at.until("/api/overview", lambda found: "severity" in found)
            yield at


def sent(daemon: DaemonProcess, *messages: bytes, feed: str = "adt") -> None:
    with Peer(daemon.port(feed)) as sender:
        sender.send(framed(*messages))
        sender.acks(len(messages))


async def test_a_site_is_seen_steered_and_followed(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with whole(tmp_path, valkey) as at:
        await anyio.to_thread.run_sync(sent, at.daemon, adt("M1"), adt("M2"))
        found = await at.until("/api/overview", lambda one: one["cards"]["feeds"]["last_hour"] == 2)
        assert (found["site"], found["cards"]["feeds"]["total"], found["cards"]["broker"]["is_up"]) == (
            "testsite",
            2,
            True,
        )
        assert sum(found["traffic"][0]["messages"]) == 2
        assert found["cards"]["spool"]["is_accepting"]

        status, traffic = await at.ask("/api/feeds/adt/traffic?step=15m")
        assert (status, sum(traffic["messages"]), len(traffic["messages"])) == (200, 2, 1344)

        headers = {"Authorization": f"Bearer {at.tokens['operator']}"}
        async with at.http.ws_connect(f"{at.url}/api/ws/events", headers=headers) as socket:
            hello = json.loads(await socket.receive_str())
            assert hello["topics"] == sorted(
                ("alerts", "feeds", "messages", "overview", "queues", "schedule", "tasks", "workers")
            )
            await socket.send_str('{"subscribe":["feeds"]}')
            assert json.loads(await socket.receive_str())["type"] == "snapshot"
            status, row = await at.ask("/api/feeds/adt/pause", "operator", {"note": "LIS upgrade"})
            assert (status, row["state"], row["pause"]["who"], row["pause"]["note"]) == (
                200,
                "paused",
                "operator",
                "LIS upgrade",
            )
            assert row["allowed_actions"] == ["resume"]
            with anyio.fail_after(LIMIT_S):
                while True:
                    event = json.loads(await socket.receive_str())
                    if event["data"]["changed"][0]["state"] == "paused":
                        break
        assert (await at.ask("/api/feeds/adt/resume", "viewer", {}))[0] == 403
        assert (await at.ask("/api/feeds/adt/resume", "operator", {}))[1]["state"] == "receiving"
        assert (await at.ask("/api/feeds/adt/pause", "operator", {"until_at": "2001-01-01T00:00:00Z"}))[0] == 422
        assert (await at.ask("/api/feeds/nobody"))[0] == 404
        await seen_by_viewers(at)


async def seen_by_viewers(at: Whole) -> None:
    """Nothing of a patient is in any answer to a viewer, nor in what is told live."""
    for path in ("/api/overview", "/api/feeds", "/api/feeds/adt", "/api/messages", "/api/messages/1", "/api/alerts"):
        _, found = await at.ask(path)
        assert MARKER not in json.dumps(found), path
    headers = {"Authorization": f"Bearer {at.tokens['viewer']}"}
    async with at.http.ws_connect(f"{at.url}/api/ws/events", headers=headers) as socket:
        topics = json.loads(await socket.receive_str())["topics"]
        await socket.send_str(json.dumps({"subscribe": topics}))
        told: dict[str, str] = {}
        with anyio.fail_after(LIMIT_S):
            while told.keys() != set(topics):
                text = await socket.receive_str()
                told.setdefault(json.loads(text)["topic"], json.loads(text)["type"])
                assert MARKER not in text
        assert set(told.values()) == {"snapshot"}


async def test_what_is_wrong_is_told_acknowledged_and_silenced(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with whole(tmp_path, valkey) as at:
        status, tested = await at.ask("/api/alerts/channels/webhook/test", "operator", {})
        assert (status, tested) == (202, {"channel": "webhook", "where": "127.0.0.1"})
        found = await at.until("/api/alerts?state=open", lambda one: one["items"])
        [alert] = found["items"]
        assert (alert["id"], alert["severity"]) == ("alert-not-sent:webhook", "critical")
        assert "secret-path" not in json.dumps(found)
        overview = (await at.ask("/api/overview"))[1]
        assert (overview["severity"], [one["id"] for one in overview["problems"]]) == ("critical", [alert["id"]])
        one = f"/api/alerts/{alert['id']}"
        assert (await at.ask(f"{one}/silence", "operator", {"reason": "x", "until_at": "2001-01-01T00:00:00Z"}))[
            0
        ] == 422
        assert (await at.ask(f"{one}/acknowledge", "viewer", {}))[0] == 403
        status, seen = await at.ask(f"{one}/acknowledge", "operator", {"note": "known"})
        assert (status, seen["state"], seen["acknowledged"]["who"]) == (200, "acknowledged", "operator")
        assert (await at.ask("/api/overview"))[1]["severity"] == "ok"
        assert (await at.ask("/api/alerts/nothing:here/acknowledge", "operator", {}))[0] == 404
        state = (await at.ask("/api/alerts/status"))[1]
        assert (state["open"], state["acknowledged"], state["channels"][0]["reason"]) == (0, 1, "ClientConnectorError")
