"""When is a call over? As soon as all have answered who would, whoever else listens."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
import pytest

from shim.broker_url import parse_broker_url
from shim.control import Control, methods, only
from shim.control.audience import matching
from shim.errors import RequestInvalid
from shim.transport import RedisTransport
from tests.support.controlling import CHANNEL, LONG_S, Gate, answering, controlling, listening
from tests.support.publishing import until
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

TWO = ("one@test", "two@test")
BYSTANDERS = {
    "nobody": {},
    "a monitor of everything": {"pattern": "*"},
    "a monitor of the namespace": {"pattern": "/0.celery*"},
    "a subscriber of the channel": {"channel": CHANNEL},
    "one who listens twice": {"channel": CHANNEL, "pattern": "*"},
    "a monitor of events": {"pattern": "/0.celeryev/*"},
}


@pytest.mark.parametrize("bystander", BYSTANDERS)
async def test_a_call_is_over_once_all_nodes_have_answered(valkey: ValkeyServer, bystander: str) -> None:
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:
        with listening(valkey, **BYSTANDERS[bystander]):
            for _ in range(3):
                answers = await control.call(methods.ping(), timeout_s=LONG_S)
                assert answers.by_node == {"one@test": {"ok": "pong"}, "two@test": {"ok": "pong"}}
                assert (answers.is_complete, answers.expected, answers.silent) == (True, 2, ())


async def test_without_any_listener_a_call_is_over_at_once(valkey: ValkeyServer) -> None:
    async with controlling(valkey.url) as control:
        answers = await control.call(methods.ping(), timeout_s=LONG_S)
        assert (answers.nodes, answers.heard, answers.expected, answers.is_complete) == ((), 0, 0, True)
        named = await control.call(methods.ping(), only("gone@test"), timeout_s=LONG_S)
        assert (named.silent, named.is_complete) == (("gone@test",), False)


async def test_nodes_that_do_not_know_a_method_are_not_waited_for(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:
        for _ in range(3):
            answers = await control.call(methods.active(), timeout_s=LONG_S)
            assert (answers.nodes, answers.heard, answers.is_complete) == ((), 2, True)


async def test_only_those_addressed_answer_and_nobody_else_is_waited_for(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, "a1@test", "a2@test", "b1@test"), controlling(valkey.url) as control:
        asked = {
            only("a2@test"): ("a2@test",),
            only("a1@test", "b1@test"): ("a1@test", "b1@test"),
            matching("a*@test"): ("a1@test", "a2@test"),
            matching("?1@*"): ("a1@test", "b1@test"),
            matching("a"): (),
            matching(r"[ab]1@\w+$", "pcre"): ("a1@test", "b1@test"),
            matching("a", "pcre"): ("a1@test", "a2@test"),
        }
        for audience, nodes in asked.items():
            answers = await control.call(methods.ping(), audience, timeout_s=LONG_S)
            assert (answers.nodes, answers.is_complete) == (nodes, True), audience


async def test_a_node_that_is_not_there_is_named_as_soon_as_those_there_have_answered(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:
        answers = await control.call(methods.ping(), only("one@test", "gone@test"), timeout_s=LONG_S)
    assert (answers.nodes, answers.silent, answers.is_complete) == (("one@test",), ("gone@test",), False)


async def test_a_listener_that_nobody_can_tell_from_a_node_is_waited_for_until_the_time_is_over(
    valkey: ValkeyServer,
) -> None:
    async with answering(valkey.url, "one@test"), controlling(valkey.url) as control:
        with listening(valkey, pattern=CHANNEL):
            answers = await control.call(methods.ping(), timeout_s=0.3)
    assert (answers.nodes, answers.heard, answers.expected, answers.is_complete) == (("one@test",), 2, 2, False)


async def test_two_nodes_of_one_name_are_told_of(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, "one@test", "one@test"), controlling(valkey.url) as control:
        answers = await control.call(methods.ping(), timeout_s=LONG_S)
    assert (answers.nodes, answers.duplicates, answers.is_complete) == (("one@test",), ("one@test",), True)


async def test_while_everybody_answers_no_fence_is_sent(valkey: ValkeyServer) -> None:
    valkey.client.config_resetstat()
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:
        for _ in range(50):
            assert (await control.call(methods.ping(), timeout_s=LONG_S)).is_complete
        named = await control.call(methods.ping(), only("two@test"), timeout_s=LONG_S)
        assert named.is_complete
    assert "cmdstat_eval" not in valkey.client.info("commandstats")


async def test_once_a_bystander_is_gone_no_fence_is_sent_any_more(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:
        with listening(valkey, pattern="*"):
            assert (await control.call(methods.ping(), timeout_s=LONG_S)).heard == 3
        while (await control.call(methods.ping(), timeout_s=LONG_S)).heard != 2:
            pass
        valkey.client.config_resetstat()
        for _ in range(20):
            assert (await control.call(methods.ping(), timeout_s=LONG_S)).is_complete
    assert "cmdstat_eval" not in valkey.client.info("commandstats")


async def test_two_hundred_calls_at_once_share_the_connections_and_the_fences(valkey: ValkeyServer) -> None:
    valkey.client.config_resetstat()
    done = []
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:

        async def ask(number: int) -> None:
            audience = only(TWO[number % 2])
            answers = await control.call(methods.ping() if number % 4 else methods.active(), audience, timeout_s=LONG_S)
            assert answers.nodes == (audience.destination if number % 4 else ())
            done.append(number)

        with listening(valkey, pattern="*"):
            async with anyio.create_task_group() as callers:
                for number in range(200):
                    callers.start_soon(ask, number)
        connections = [one for one in valkey.client.client_list() if one["name"] == "control"]
    assert sorted(done) == list(range(200))
    assert len(connections) == 2
    assert valkey.client.info("commandstats")["cmdstat_eval"]["calls"] <= 50  # of those nobody answered


async def test_the_list_of_answers_is_gone_with_the_control(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, *TWO), controlling(valkey.url) as control:
        assert (await control.call(methods.ping(), timeout_s=LONG_S)).is_complete
    assert valkey.client.keys("*") == []


async def test_an_answer_that_may_come_after_the_end_does_not_stay_for_ever(valkey: ValkeyServer) -> None:
    with listening(valkey, pattern=CHANNEL) as worker:
        async with controlling(valkey.url) as control:
            assert not (await control.call(methods.ping(), timeout_s=0.1)).is_complete
            [(_, payload), *_] = worker.take(1)
        queue = json.loads(json.loads(payload)["body"])["reply_to"]["routing_key"]
        valkey.client.lpush(queue, "late")
        assert 0 < valkey.client.ttl(queue) <= 60


async def test_late_and_foreign_messages_in_the_list_of_answers_are_passed_over(valkey: ValkeyServer) -> None:
    async with answering(valkey.url, "one@test"), controlling(valkey.url) as control:
        with listening(valkey, channel=CHANNEL) as worker:
            await control.call(methods.ping(), timeout_s=LONG_S)
            [(_, payload)] = worker.take(1)
        queue = json.loads(json.loads(payload)["body"])["reply_to"]["routing_key"]
        for element in (b"", b"\xff", b"[]", b"{}", b'{"headers": {"ticket": 5}}', b'{"headers": {"ticket": "x"}}'):
            valkey.client.lpush(queue, element)
        await until(lambda: not valkey.client.exists(queue))
        assert (await control.call(methods.ping(), timeout_s=LONG_S)).nodes == ("one@test",)


async def test_an_answer_nobody_can_read_counts_as_one(valkey: ValkeyServer) -> None:
    with listening(valkey, pattern=CHANNEL) as worker:
        async with controlling(valkey.url) as control, anyio.create_task_group() as tasks:

            async def pickled() -> None:
                [(_, payload)] = await anyio.to_thread.run_sync(worker.take, 1)
                command = json.loads(json.loads(payload)["body"])
                reply = {"content-type": "application/x-python-serialize", "headers": {"ticket": command["ticket"]}}
                valkey.client.lpush(command["reply_to"]["routing_key"], json.dumps(reply))

            tasks.start_soon(pickled)
            answers = await control.call(methods.ping(), timeout_s=LONG_S)
    assert (answers.nodes, answers.unreadable, answers.is_complete) == ((), 1, True)


async def test_a_user_who_may_run_no_script_gets_all_answers_when_the_time_is_over(valkey: ValkeyServer) -> None:
    valkey.client.execute_command(
        *("ACL", "SETUSER", "limited", "on", ">secret", "resetkeys", "~shim.reply.*", "resetchannels", f"&{CHANNEL}"),
        *("-@all", "+publish", "+brpop", "+del", "+client|setname", "+select", "+lpush", "+expire"),
    )
    url = valkey.url.replace("redis://", "redis://limited:secret@")
    try:
        async with answering(valkey.url, "one@test"), controlling(url) as control:
            with listening(valkey, pattern="*"):
                answers = await control.call(methods.ping(), timeout_s=0.3)
                assert (answers.nodes, answers.is_complete) == (("one@test",), False)
            assert (await control.call(methods.ping(), timeout_s=LONG_S)).is_complete
    finally:
        valkey.client.execute_command("ACL", "DELUSER", "limited")


async def test_a_cast_says_how_many_listen_and_leaves_nothing_behind(valkey: ValkeyServer) -> None:
    gate = Gate()
    async with answering(valkey.url, *TWO, is_alive=gate), controlling(valkey.url) as control:
        assert await control.cast(methods.ping()) == 2
        assert not gate.asked.is_set()
        assert (await control.call(methods.ping(), timeout_s=LONG_S)).is_complete


@pytest.mark.parametrize(
    ("prefix", "database", "options"),
    [
        ("", 3, {}),
        ("", 0, {"namespace": "ward"}),
        ("", 0, {"fanout_prefix": ""}),
        ("", 2, {"fanout_prefix": "/db{db}."}),
        ("pre:", 1, {"namespace": "ward"}),
    ],
)
async def test_names_keep_installations_apart(
    valkey: ValkeyServer, prefix: str, database: int, options: dict[str, Any]
) -> None:
    url = re.sub(r"\d+$", str(database), valkey.url)
    transport = RedisTransport(key_prefix=prefix)
    async with (
        answering(valkey.url, "other@test"),
        answering(url, "mine@test", transport=transport, **options),
        controlling(url, transport=transport, **options) as control,
    ):
        answers = await control.call(methods.ping(), timeout_s=LONG_S)
    assert answers.nodes == ("mine@test",)


def test_a_namespace_must_be_a_name() -> None:
    with pytest.raises(RequestInvalid, match="namespace"):
        Control(parse_broker_url("redis://localhost"), client_name="x", new_id=str, namespace="")
