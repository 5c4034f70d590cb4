"""The event stream through a real server: what Celery's own sender puts in comes out, and what is missed is known."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from celery import Celery

from shim.events import EventState, events_pattern
from shim.subscription import MESSAGES_PER_TURN
from tests.support.event_stream import AT_S, fields, payload, received
from tests.support.following import LIMIT_S, following, listeners, make_receiver, now, told, wait_until
from tests.support.proxy import BadLink
from tests.support.publishing import until
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

CHANNEL = "/0.celeryev/task.multi"


@contextmanager
def dispatching(server: ValkeyServer, options: dict[str, Any], exchange: str) -> Iterator[Any]:
    """Give Celery's own sender of events, which batches those of tasks as a worker's does."""
    app = Celery("sender", broker=server.url, set_as_current=False)
    app.conf.update(broker_transport_options=options, event_exchange=exchange)
    with app.connection_for_write() as connection:
        sender = app.events.Dispatcher(
            connection, hostname="w1@ward", buffer_group={"task"}, enabled=True, on_send_buffered=None
        )
        with sender:
            yield sender
    app.close()


@pytest.mark.parametrize(
    ("options", "exchange", "ours"),
    [
        ({}, "celeryev", {}),
        ({"global_keyprefix": "pfx[1]:"}, "celeryev", {"key_prefix": "pfx[1]:"}),
        ({"fanout_patterns": False}, "celeryev", {"fanout_patterns": False}),
        ({"fanout_prefix": False}, "celeryev", {"fanout_prefix": False}),
        ({"fanout_prefix": "to.{db}."}, "ward-events", {"fanout_prefix": "to.{db}."}),
    ],
    ids=["plain", "key prefix", "no patterns", "no prefix", "own prefix and exchange"],
)
async def test_what_celerys_sender_sends_arrives(
    valkey: ValkeyServer, options: dict[str, Any], exchange: str, ours: dict[str, Any]
) -> None:
    pattern = events_pattern(0, exchange=exchange, **ours)
    async with following(valkey.url, pattern=pattern) as receiver:
        with dispatching(valkey, options, exchange) as sender:
            sender.send("worker-heartbeat", freq=2.0, active=1, processed=2, loadavg=(1, 2, 3), sw_ver="5.7.0")
            for number in range(30):
                sender.send("task-received", uuid=f"t{number}", name="app.add", args="(1,)", kwargs="{}", retries=0)
            sender.flush()
        await told(receiver, lambda: receiver.state.events_count >= 31)
        state = receiver.state
        assert (state.counts_by_state(), dict(state.faults)) == ({"RECEIVED": 30}, {})
        [worker] = state.workers(now())
        assert (worker.hostname, worker.is_alive, worker.processed, worker.sw_ver) == ("w1@ward", True, 2, "5.7.0")
        assert worker.drift_s == pytest.approx(0, abs=5)


async def test_another_exchange_or_database_is_not_listened_to(valkey: ValkeyServer) -> None:
    async with following(valkey.url) as receiver:
        for channel in ("/1.celeryev/task.multi", "/0.celeryev.more/x", "/0.celery.pidbox", "x/0.celeryev/a"):
            valkey.client.publish(channel, payload(received("wrong")))
        valkey.client.publish(CHANNEL, payload(received("right")))
        await told(receiver, lambda: receiver.state.task("right") is not None)
        assert receiver.state.events_count == 1


async def test_what_cannot_be_read_is_counted_and_the_rest_goes_on(valkey: ValkeyServer) -> None:
    async with following(valkey.url) as receiver:
        for message in (b"", b"\xff\x00", payload([None, received("in bad company")]), payload(received("after"))):
            valkey.client.publish(CHANNEL, message)
        await told(receiver, lambda: receiver.state.task("after") is not None)
        assert receiver.state.task("in bad company") is not None
        assert dict(receiver.state.faults) == {"not-an-envelope": 2, "not-an-event": 1}


# -- what is missed ----------------------------------------------------------------------------------------------------


async def test_a_server_that_is_killed_and_started_again_leaves_a_gap_and_nothing_else() -> None:
    opened = 0

    async def count() -> None:
        nonlocal opened
        opened += 1
        await checkpoint()

    with ValkeyServer(append_only=False) as server:
        async with following(server.url, opened=count) as receiver:
            state = receiver.state
            server.client.publish(CHANNEL, payload(received("before")))
            await told(receiver, lambda: state.task("before") is not None)
            heard_at = now()
            assert (state.gaps_count, opened) == (0, 1)
            server.kill()
            await told(receiver, lambda: state.gaps_count > 0)
            assert state.listening_since_at is None
            assert [gap.ended_at for gap in state.gaps] == [None]
            await anyio.to_thread.run_sync(server.start)
            await told(receiver, lambda: state.listening_since_at is not None)
            server.client.publish(CHANNEL, payload(fields("task-started", "before")))
            await told(receiver, lambda: state.counts_by_state() == {"STARTED": 1})
            [gap] = state.gaps
            assert gap.began_at <= heard_at, "what was sent after the last message may be missing"
            assert gap.ended_at == state.listening_since_at
            assert gap.ended_at is not None
            assert gap.ended_at > heard_at
            await until(lambda: opened == 2)


async def test_a_connection_that_is_cut_leaves_a_gap(valkey: ValkeyServer) -> None:
    async with following(valkey.url) as receiver:
        for number in range(1, 4):
            valkey.client.client_kill_filter(_type="pubsub")
            await told(
                receiver,
                lambda number=number: (  # type: ignore[misc]
                    receiver.state.gaps_count == number and receiver.state.listening_since_at is not None
                ),
            )
        assert [gap.reason for gap in receiver.state.gaps] == ["the connection broke"] * 3
        assert [gap.ended_at is not None for gap in receiver.state.gaps] == [True] * 3


async def test_a_server_that_falls_silent_is_noticed(valkey: ValkeyServer) -> None:
    async with BadLink(valkey.port) as proxy:
        try:
            async with following(f"redis://127.0.0.1:{proxy.port}/0", ping_every_s=0.05) as receiver:
                proxy.freeze()
                await told(receiver, lambda: receiver.state.gaps_count > 0)
                proxy.thaw()
                await told(receiver, lambda: receiver.state.listening_since_at is not None)
        finally:
            proxy.thaw()


async def test_a_receiver_that_was_stopped_and_runs_again_knows_of_the_time_between(valkey: ValkeyServer) -> None:
    state = EventState()
    async with following(valkey.url, state):
        pass
    assert (state.listening_since_at, [gap.reason for gap in state.gaps]) == (None, ["the receiver was stopped"])
    async with following(valkey.url, state):
        assert [gap.ended_at for gap in state.gaps] == [state.listening_since_at]


async def test_a_receiver_that_never_reached_its_server_has_no_gap_and_is_not_listening() -> None:
    receiver = make_receiver("redis://127.0.0.1:1/0")
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            await until(lambda: receiver.failure is not None)
            tasks.cancel_scope.cancel()
    assert (receiver.state.listening_since_at, receiver.state.gaps_count) == (None, 0)
    assert "no connection" in str(receiver.failure)


async def test_a_user_who_may_not_listen_is_told_why(valkey: ValkeyServer) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "ward", "on", ">secret", "~*", "+@all", "resetchannels", "&other")
    receiver = make_receiver(f"redis://ward:secret@127.0.0.1:{valkey.port}/0")
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            await until(lambda: receiver.failure is not None)
            valkey.client.execute_command("ACL", "SETUSER", "ward", "resetchannels", "&/0.celeryev/*", "nocommands",
                                          "+psubscribe", "+ping", "+client|setname", "+select")  # fmt: skip
            await told(receiver, lambda: receiver.state.listening_since_at is not None)
            tasks.cancel_scope.cancel()
    assert receiver.failure is None


# -- more than can be kept up with -------------------------------------------------------------------------------------


class SlowClock:
    """Tells the time, and when asked to keeps the loop from anything else until the server has had enough."""

    def __init__(self, server: ValkeyServer) -> None:
        self._server = server
        self.is_slow = False

    def __call__(self) -> datetime:
        if self.is_slow:
            self.is_slow = False
            message = payload([received(f"flood-{number}") for number in range(24)])
            with self._server.client as client:
                pipe = client.pipeline(transaction=False)
                while client.pubsub_numpat():
                    for _ in range(100):
                        pipe.publish(CHANNEL, message)
                    pipe.execute()
        return now()


async def test_a_reader_that_is_too_slow_is_cut_by_the_server_and_knows_it() -> None:
    with ValkeyServer("--client-output-buffer-limit", "pubsub 1mb 0 0", append_only=False) as server:
        clock = SlowClock(server)
        async with following(server.url, EventState(tasks_limit=10), now=clock) as receiver:
            state = receiver.state
            clock.is_slow = True
            server.client.publish(CHANNEL, payload(received("first")))
            await told(receiver, lambda: state.gaps_count == 1 and state.listening_since_at is not None)
            server.client.publish(CHANNEL, payload(received("last")))
            await told(receiver, lambda: state.task("last") is not None)
            assert state.tasks_count == 10
            assert state.forgotten_tasks > 0


async def test_other_tasks_get_their_turns_while_events_pour_in(valkey: ValkeyServer) -> None:
    turns: list[int] = []
    async with following(valkey.url) as receiver:
        state = receiver.state

        async def take_turns() -> None:
            while state.events_count < 24_000:
                turns.append(state.events_count)
                await checkpoint()

        message = payload([received(f"t{number}") for number in range(24)])
        pipe = valkey.client.pipeline(transaction=False)
        for _ in range(1_000):
            pipe.publish(CHANNEL, message)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_turns)
            await anyio.to_thread.run_sync(pipe.execute)
    assert max(later - earlier for earlier, later in pairwise(turns)) <= 24 * MESSAGES_PER_TURN


async def test_a_waiting_follower_is_woken_by_a_change_and_not_before(valkey: ValkeyServer) -> None:
    async with following(valkey.url) as receiver:
        cursor = receiver.state.cursor
        woken: list[int] = []

        async def follow() -> None:
            await receiver.changed(cursor)
            woken.append(receiver.state.cursor)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(follow)
            await checkpoint()
            await checkpoint()
            assert woken == []
            valkey.client.publish(CHANNEL, payload(received("a")))
        assert len(woken) == 3
        assert min(woken) > cursor
        await receiver.changed(cursor)  # at once: it has changed


def test_the_example_in_the_documentation_runs(valkey: ValkeyServer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "shim" / "events.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script = example.replace("redis://localhost:6379/0", valkey.url)
    assert script != example
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, "PYTHONPATH": "."},
    ) as running:  # fmt: skip
        try:
            wait_until(lambda: listeners(valkey) > 0 or running.poll() is not None, "example that listens")
            heartbeat = fields("worker-heartbeat", freq=2.0, active=1, sw_ver="5.7.0")
            valkey.client.publish(CHANNEL, payload(heartbeat))
            ended = fields("task-succeeded", "a", at_s=AT_S + 1, runtime=0.25)
            valkey.client.publish(CHANNEL, payload([received("a"), ended]))
            shown, _ = running.communicate(timeout=LIMIT_S)
        finally:
            running.kill()
    assert shown.splitlines()[0] == "w1@ward alive 1 5.7.0"
    assert shown.splitlines()[-1] == "a app.add SUCCESS 0.25"


def test_a_server_as_it_comes_cuts_a_slow_reader(valkey: ValkeyServer) -> None:
    """What the receiver relies on: the server does not keep messages for it without end."""
    name = "client-output-buffer-limit"
    assert "pubsub 33554432 8388608 60" in valkey.client.config_get(name)[name]
