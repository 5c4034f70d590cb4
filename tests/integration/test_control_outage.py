"""Control while the broker is killed, restarted, paused, or the way to it loses replies: no hang, nothing sent twice."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from shim.control import Control, methods, only
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain
from tests.support.controlling import CHANNEL, LONG_S, answering, controlling, everyone, listening
from tests.support.publishing import CountingLink, bad_link, through, until
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def broker() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


async def test_a_call_under_way_when_the_broker_is_killed_ends_with_what_it_has(broker: ValkeyServer) -> None:
    async with answering(broker.url, "one@test"), controlling(broker.url) as control:
        found = []

        async def ask() -> None:
            found.append(await control.call(methods.ping(), timeout_s=LONG_S))

        with listening(broker, pattern=CHANNEL) as silent:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await anyio.to_thread.run_sync(silent.take, 2)  # the command and the fence
                broker.kill()
        [answers] = found
        assert (answers.nodes, answers.heard, answers.is_complete) == (("one@test",), 2, False)
        with pytest.raises(BrokerUnavailable):
            await control.call(methods.ping())
        with pytest.raises(BrokerUnavailable):
            await control.cast(methods.ping())
        broker.start()
        assert (await everyone(control, 1)).is_complete


async def test_after_a_restart_the_next_call_finds_a_new_connection(broker: ValkeyServer) -> None:
    async with controlling(broker.url) as control:
        assert (await control.call(methods.ping())).nodes == ()
        for _ in range(3):
            connected = {one["id"] for one in broker.client.client_list() if one["name"] == "control"}
            broker.restart()
            # Two new ones: the mailbox's own, and the one the first command opened.
            await until(lambda: any(one["name"] == "control" for one in broker.client.client_list()))
            assert (await control.call(methods.ping(), timeout_s=LONG_S)).heard == 0
            assert connected


async def test_a_broker_that_is_paused_ends_a_call_in_its_time_and_answers_the_next(broker: ValkeyServer) -> None:
    async with answering(broker.url, "one@test"), controlling(broker.url, reply_timeout_s=2.0) as control:
        await everyone(control, 1)
        broker.pause()
        try:
            with pytest.raises(PublishUncertain) as caught:
                await control.call(methods.ping(), timeout_s=0.2)
            assert "ping" in str(caught.value)
            with pytest.raises((PublishUncertain, BrokerUnavailable)):
                await control.cast(methods.ping(), timeout_s=0.2)
        finally:
            broker.resume()
        while True:
            answers = await control.call(methods.ping(), timeout_s=LONG_S)
            if answers.nodes:
                break
        assert answers.is_complete


async def test_a_command_whose_confirmation_is_lost_is_not_sent_again(broker: ValkeyServer) -> None:
    async with bad_link(broker) as proxy, controlling(through(proxy)) as control:
        with listening(broker, channel=CHANNEL) as worker:
            assert await control.cast(methods.shutdown(), only("gone@test")) == 1
            worker.take(1)
            while not await was_uncertain(control, proxy):
                worker.take(1)
            worker.take(1)
            await control.cast(methods.ping())
            [(_, last)] = worker.take(1)
            assert b'"method\\":\\"ping' in last


async def was_uncertain(control: Control, proxy: CountingLink) -> bool:
    """Lose a reply: that to the command, or that to the mailbox, which asks by itself."""
    proxy.lose_replies()
    try:
        await control.cast(methods.shutdown(), only("gone@test"))
    except PublishUncertain:
        return True
    return False


async def test_answers_that_come_while_the_mailbox_is_cut_off_are_still_found(broker: ValkeyServer) -> None:
    """The list outlives a connection: only what was handed out over the broken one is lost."""
    async with bad_link(broker) as proxy, controlling(through(proxy)) as control, answering(broker.url, "one@test"):
        await everyone(control, 1)
        broker.client.client_kill_filter(_type="normal", skipme=True)
        assert (await everyone(control, 1)).is_complete


async def test_a_refusal_is_told_and_names_no_argument(broker: ValkeyServer) -> None:
    broker.client.execute_command("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "resetchannels", "+@all")
    async with controlling(broker.url.replace("redis://", "redis://deaf:secret@")) as control:
        with pytest.raises(BrokerRefused) as caught:
            await control.call(methods.revoke("patient-4711"))
    assert caught.value.server_code == "NOPERM"
    assert "4711" not in str(caught.value)


async def test_calls_end_when_run_is_cancelled(broker: ValkeyServer) -> None:
    found = []
    with listening(broker, pattern=CHANNEL) as silent:
        async with anyio.create_task_group() as callers, controlling(broker.url) as control:

            async def ask() -> None:
                found.append(await control.call(methods.ping(), timeout_s=LONG_S))

            callers.start_soon(ask)
            await anyio.to_thread.run_sync(silent.take, 1)
    [answers] = found
    assert not answers.is_complete


async def test_a_call_that_is_cancelled_leaves_nothing_waiting(broker: ValkeyServer) -> None:
    async with controlling(broker.url) as control:
        with listening(broker, pattern=CHANNEL) as silent:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: control.call(methods.ping(), timeout_s=LONG_S))
                await anyio.to_thread.run_sync(silent.take, 2)
                tasks.cancel_scope.cancel()
        assert (await control.call(methods.ping(), timeout_s=LONG_S)).is_complete
        assert control._calls == {}
        await until(lambda: control._fence is None)
