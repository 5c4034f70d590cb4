"""Answering as Celery's beat does, asked by Celery's own commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from celery import Celery

from shim.control import beat_name, methods, only
from shim.transport import RedisTransport
from tests.support.controlling import CHANNEL, LONG_S, Gate, answering, controlling, everyone, listening
from tests.support.valkey import ValkeyServer
from tests.support.worker import NEW, OLD

pytestmark = pytest.mark.anyio

BEAT = beat_name("host")
NOBODY = 69
"""The exit code of ``celery inspect`` if no node has answered (EX_UNAVAILABLE)."""


async def command(python: Path, url: str, *arguments: str) -> tuple[int, str]:
    done = await anyio.run_process([str(python), "-m", "celery", "-b", url, "inspect", *arguments], check=False)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


async def test_celerys_own_command_finds_the_node_while_it_is_alive(valkey: ValkeyServer) -> None:
    gate = Gate()
    found: dict[str, tuple[int, str]] = {}

    async def ask(name: str, python: Path, *arguments: str) -> None:
        found[name] = await command(python, valkey.url, *arguments)

    async with answering(valkey.url, BEAT, is_alive=gate):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "5.7", NEW, "ping", "-d", BEAT, "-t", "30")
            tasks.start_soon(ask, "5.3", OLD, "ping", "-d", BEAT, "-t", "30", "--json")
        gate.is_open = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "stalled", NEW, "ping", "-d", BEAT)
            tasks.start_soon(ask, "stalled 5.3", OLD, "ping")
    assert found["5.7"][0] == 0
    assert re.search(rf"{BEAT}: OK\s+pong", found["5.7"][1])
    assert found["5.3"][0] == 0
    assert json.loads(found["5.3"][1].splitlines()[0]) == {BEAT: {"ok": "pong"}}
    assert found["stalled"][0] == NOBODY
    assert found["stalled 5.3"][0] == NOBODY


async def test_celerys_client_gets_the_same_from_the_node_as_from_celerys_beat(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Side by side with a real beat of 5.7, by every way of addressing."""
    environment = {"CELERY_BROKER_URL": valkey.url, "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    real = "celerybeat@real"
    async with await anyio.open_process(
        [
            *(str(NEW), "-m", "celery", "-A", "recording", "beat", "-s", str(tmp_path / "schedule")),
            *("--enable-remote-control", "--hostname", real),
        ],
        env=environment,
        stdout=None,
        stderr=None,
    ) as process:
        try:
            async with answering(valkey.url, BEAT), controlling(valkey.url) as control:
                assert (await everyone(control, 2)).nodes == (BEAT, real)
                await anyio.to_thread.run_sync(ask_in_every_way, valkey.url, real)
                for quiet in (methods.active(), methods.stats(), methods.registered(), methods.conf()):
                    answers = await control.call(quiet, timeout_s=LONG_S)
                    assert (answers.nodes, answers.heard, answers.is_complete) == ((), 2, True)
        finally:
            process.kill()


def ask_in_every_way(url: str, real: str) -> None:
    """Ping by Celery's client, over its own reply queue; it waits for as many answers as there shall be, and then stops."""
    with Celery("asking", broker=url) as app:
        for audience, nodes in (
            ({}, {BEAT, real}),
            ({"destination": [BEAT]}, {BEAT}),
            ({"destination": [real, BEAT]}, {BEAT, real}),
            ({"pattern": "celerybeat@h*", "matcher": "glob"}, {BEAT}),
            ({"pattern": "*@*", "matcher": "glob"}, {BEAT, real}),
            ({"pattern": r"\w+@(host|real)", "matcher": "pcre"}, {BEAT, real}),
        ):
            replies = app.control.inspect(timeout=30, limit=len(nodes), **audience).ping()
            assert replies == {node: {"ok": "pong"} for node in nodes}, audience


async def test_the_node_says_nothing_but_pong_and_sends_no_event(valkey: ValkeyServer) -> None:
    """Flower takes for a worker whoever sends worker events, or answers what only workers know."""
    with listening(valkey, pattern="*") as monitor:
        async with answering(valkey.url, BEAT), controlling(valkey.url) as control:
            for asked in (
                methods.stats,
                methods.active_queues,
                methods.registered,
                methods.conf,
                methods.enable_events,
            ):
                assert (await control.call(asked(), only(BEAT), timeout_s=LONG_S)).nodes == ()
            assert (await control.call(methods.heartbeat(), timeout_s=LONG_S)).nodes == ()
            assert (await control.call(methods.ping(), timeout_s=LONG_S)).nodes == (BEAT,)
        channels = {channel for channel, _ in monitor.drain()}
    assert channels == {CHANNEL, "/0.celery.pidbo_"}
    assert valkey.client.keys("*celeryev*") == []


async def test_a_prefix_another_database_and_another_namespace_are_followed(valkey: ValkeyServer) -> None:
    url = re.sub(r"\d+$", "4", valkey.url)

    def ask() -> Any:
        with Celery("asking", broker=url) as app:
            app.conf.update(control_exchange="ward", broker_transport_options={"global_keyprefix": "pre:"})
            return app.control.inspect(timeout=30, destination=[BEAT]).ping()

    async with answering(url, BEAT, namespace="ward", transport=RedisTransport(key_prefix="pre:")):
        assert await anyio.to_thread.run_sync(ask) == {BEAT: {"ok": "pong"}}


async def test_the_node_answers_again_after_the_broker_was_restarted() -> None:
    with ValkeyServer() as broker:
        async with answering(broker.url, BEAT) as [node], controlling(broker.url) as control:
            await everyone(control, 1)
            broker.restart()
            await node.wait_until_listening()
            assert (await everyone(control, 1)).nodes == (BEAT,)


async def test_messages_that_are_no_questions_do_not_stop_the_node(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, BEAT), controlling(valkey.url) as control:
        for payload in (b"", b"\xff\x00", b"[]", b"{}", b'{"body": 5, "properties": 7}', b"[" * 100_000):
            valkey.client.publish(CHANNEL, payload)
        assert (await control.call(methods.ping(), timeout_s=LONG_S)).nodes == (BEAT,)


async def test_an_answer_nobody_takes_is_not_written_anywhere(valkey: ValkeyServer) -> None:
    """Celery's client names an exchange; once its reply queue is unbound, the answer has no place to go."""
    body = {"method": "ping", "ticket": "t", "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "gone"}}
    message = {"body": json.dumps(body), "content-type": "application/json", "headers": {}, "properties": {}}
    async with answering(valkey.url, BEAT), controlling(valkey.url) as control:
        valkey.client.publish(CHANNEL, json.dumps(message))
        assert (await control.call(methods.ping(), timeout_s=LONG_S)).nodes == (BEAT,)
    assert valkey.client.keys("*") == []
