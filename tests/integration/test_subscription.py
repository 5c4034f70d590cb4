"""Channels that stay subscribed: through restarts, silence, races and refusals, with real servers."""

from __future__ import annotations

import random

import anyio
import pytest
from anyio.lowlevel import checkpoint

from shim.broker_url import BrokerUrl, parse_broker_url
from shim.connector import Connector
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain, RequestInvalid
from shim.subscription import MESSAGES_PER_TURN, NAMES_PER_COMMAND, Subscription
from tests.support.brokers import CLIENT_NAME, LIMIT_S, Ear, connections, listening_to
from tests.support.cutting import StepLink
from tests.support.publishing import bad_link, through, until
from tests.support.valkey import ValkeyServer, free_port

pytestmark = pytest.mark.anyio

SHORT_S = 0.2
"""Silence after which a server is asked; a test that waits for two of them stays short."""


def url_of(server: ValkeyServer) -> BrokerUrl:
    return parse_broker_url(server.url)


def subscribers(server: ValkeyServer) -> dict[str, int]:
    """Count the subscribers of each channel that has any."""
    with server.client as client:
        names = client.pubsub_channels()
        return {name.decode(): count for name, count in client.pubsub_numsub(*names)} if names else {}


def say(server: ValkeyServer, *channels: str) -> None:
    with server.client as client:
        pipe = client.pipeline(transaction=False)
        for channel in channels:
            pipe.publish(channel, f"to {channel}")
        pipe.execute()


# -- hearing -----------------------------------------------------------------------------------------------------------


async def test_what_is_said_once_a_channel_is_confirmed_is_heard_in_order(valkey: ValkeyServer) -> None:
    async with listening_to(url_of(valkey), patterns=["news.*"]) as ear:
        await ear.subscription.subscribe(["a", "b"])
        said = [f"{'ab'[number % 2]}" for number in range(MESSAGES_PER_TURN * 3)]
        say(valkey, *said, "news.today", "elsewhere")
        await until(lambda: len(ear.heard) == len(said) + 1)
    assert ear.heard == [(name, f"to {name}".encode()) for name in [*said, "news.today"]]


async def test_names_and_payloads_are_whatever_they_are(valkey: ValkeyServer) -> None:
    names = ["with space", "Ümläut\n", "", "a*[b]", "\x00"]
    async with listening_to(url_of(valkey)) as ear:
        await ear.subscription.subscribe(names)
        for name in names:
            valkey.client.publish(name, b"\xff\x00\r\n")
        await until(lambda: len(ear.heard) == len(names))
    assert ear.heard == [(name, b"\xff\x00\r\n") for name in names]


async def test_a_name_that_is_no_unicode_is_refused_and_nothing_is_subscribed(valkey: ValkeyServer) -> None:
    async with listening_to(url_of(valkey)) as ear:
        with pytest.raises(RequestInvalid):
            await ear.subscription.subscribe(["fine", "\ud800"])
        await ear.subscription.subscribe(["after"])
        assert subscribers(valkey) == {"after": 1}


async def test_thousands_of_channels_are_subscribed_and_left_by_many_callers(valkey: ValkeyServer) -> None:
    names = [f"channel-{number}" for number in range(NAMES_PER_COMMAND * 8)]
    async with listening_to(url_of(valkey)) as ear:
        async with anyio.create_task_group() as tasks:
            for first in range(0, len(names), 400):
                tasks.start_soon(ear.subscription.subscribe, names[first : first + 500])
        say(valkey, *names)
        await until(lambda: len(ear.heard) == len(names))
        ear.subscription.unsubscribe(names[:-1])
        await until(lambda: subscribers(valkey) == {names[-1]: 1})
        assert connections(valkey) == 1


async def test_subscribing_again_what_is_subscribed_asks_nobody(valkey: ValkeyServer) -> None:
    async with listening_to(url_of(valkey)) as ear:
        await ear.subscription.subscribe(["a"])
        valkey.client.config_resetstat()
        await ear.subscription.subscribe(["a", "a"])
        await ear.subscription.subscribe([])
        assert "cmdstat_subscribe" not in valkey.client.info("commandstats")


async def test_with_nothing_left_to_listen_to_it_is_open_as_soon_as_it_is_connected(valkey: ValkeyServer) -> None:
    async with StepLink(valkey.port) as proxy:
        proxy.hold()
        async with listening_to(parse_broker_url(through(proxy)), ping_every_s=1000) as ear:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ear.subscription.subscribe, ["left before it is asked for"])
                await anyio.wait_all_tasks_blocked()
                ear.subscription.unsubscribe(["left before it is asked for"])
            proxy.let(1_000_000)
            await until(lambda: ear.opened == 1)


async def test_a_channel_that_is_left_while_someone_waits_for_it_holds_nobody_up(valkey: ValkeyServer) -> None:
    async with bad_link(valkey) as proxy, listening_to(parse_broker_url(through(proxy))) as ear:
        await ear.subscription.subscribe(["first"])
        proxy.freeze()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ear.subscription.subscribe, ["left"])
            await proxy.held.wait()
            ear.subscription.unsubscribe(["left"])
        proxy.thaw()
        await ear.subscription.subscribe(["last"])
        await until(lambda: subscribers(valkey) == {"first": 1, "last": 1})


async def test_a_channel_left_and_wanted_again_before_the_server_answers_is_confirmed_only_when_it_holds(
    valkey: ValkeyServer,
) -> None:
    """The first confirmation comes before the channel is left again, and must not be taken for the second."""
    async with StepLink(valkey.port) as proxy, listening_to(parse_broker_url(through(proxy))) as ear:
        await ear.subscription.subscribe(["first"])
        under_way = ear.subscription._under_way
        confirmed = anyio.Event()
        proxy.hold()

        async def want() -> None:
            await ear.subscription.subscribe(["torn"])
            confirmed.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ear.subscription.subscribe, ["torn"])
            await until(lambda: under_way == {"torn": 1})
            ear.subscription.unsubscribe(["torn"])
            await until(lambda: under_way == {"torn": 2})
            tasks.start_soon(want)
            await until(lambda: under_way == {"torn": 3})
            for left in (2, 1):
                proxy.let(1)
                await until(lambda left=left: under_way == {"torn": left})  # type: ignore[misc]
                await anyio.wait_all_tasks_blocked()
                assert not confirmed.is_set()
            proxy.let(1)
            await confirmed.wait()
        say(valkey, "torn")
        proxy.let(1_000_000)
        await until(lambda: ear.heard == [("torn", b"to torn")])


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_wanted_in_the_end_is_what_is_subscribed(valkey: ValkeyServer, seed: int) -> None:
    """Callers that come, go and give up in any order, over a link that is cut now and then."""
    dice = random.Random(seed)
    wanted: set[str] = set()
    names = [f"n{number}" for number in range(12)]

    async with bad_link(valkey) as proxy, listening_to(parse_broker_url(through(proxy))) as ear:

        async def taste(name: str, patience: int) -> None:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(ear.subscription.subscribe, [name])
                    for _ in range(patience):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
            finally:
                ear.subscription.unsubscribe([name])

        async with anyio.create_task_group() as callers:
            for _ in range(250):
                some = dice.sample(names, dice.randint(1, 4))
                match dice.choice("wwwuuugsc"):
                    case "w":
                        wanted |= set(some)
                        callers.start_soon(ear.subscription.subscribe, some)
                        await checkpoint()
                    case "u":
                        wanted -= set(some)
                        ear.subscription.unsubscribe(some)
                    case "g":
                        callers.start_soon(taste, f"tasted {some[0]}", dice.randint(0, 30))
                    case "c":
                        if dice.random() < 0.2:
                            proxy.lose_replies()
                    case _:
                        await anyio.sleep(dice.choice((0, 0, 0.002)))
        await until(lambda: subscribers(valkey) == dict.fromkeys(wanted, 1))
        assert set(ear.subscription._wanted) == wanted
        assert not ear.subscription._joins
        ear.heard.clear()
        say(valkey, *names)
        await until(lambda: len(ear.heard) == len(wanted))
        assert {channel for channel, _ in ear.heard} == wanted


# -- losing the server -------------------------------------------------------------------------------------------------


async def test_a_server_that_is_away_at_first_is_waited_for() -> None:
    with ValkeyServer() as server:
        server.kill()
        async with listening_to(url_of(server)) as ear, anyio.create_task_group() as tasks:
            tasks.start_soon(ear.subscription.subscribe, ["a"])
            await until(lambda: bool(ear.closed))
            assert isinstance(ear.closed[0], BrokerUnavailable)
            assert ear.opened == 0
            server.start()
        assert subscribers(server) == {}
        assert ear.heard == []


async def test_after_each_restart_all_is_subscribed_before_it_is_told_once() -> None:
    names = [f"channel-{number}" for number in range(NAMES_PER_COMMAND + 10)]
    found: list[int] = []
    with ValkeyServer() as server:
        ear = Ear(url_of(server), patterns=["p*"])

        async def look() -> None:
            found.append(server.client.execute_command("PUBSUB", "NUMPAT") + len(subscribers(server)))

        ear.subscription._opened = look
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ear.subscription.run)
                await ear.subscription.subscribe(names)
                for restarts in range(1, 4):
                    await until(lambda restarts=restarts: len(found) == restarts)  # type: ignore[misc]
                    server.restart()
                await until(lambda: len(found) == 4)
                say(server, names[-1], "pattern")
                await until(lambda: len(ear.heard) == 2)
                tasks.cancel_scope.cancel()
    assert found[0] >= 1
    assert found[1:] == [len(names) + 1] * 3
    assert ear.closed.count(None) == 3


async def test_a_server_that_stands_still_is_noticed_and_left_for_a_new_connection() -> None:
    with ValkeyServer() as server:
        async with listening_to(
            url_of(server), ping_every_s=SHORT_S, connect_timeout_s=SHORT_S, reply_timeout_s=SHORT_S
        ) as ear:
            await ear.subscription.subscribe(["a"])
            was_open = ear.subscription.is_open
            server.pause()
            await until(lambda: None in ear.closed)
            assert not ear.subscription.is_open.is_set()
            assert ear.subscription.is_open is not was_open
            server.resume()
            await until(lambda: ear.opened == 2)
            say(server, "a")
            await until(lambda: ear.heard == [("a", b"to a")])
            await until(lambda: connections(server) == 1)


async def test_a_quiet_server_that_answers_is_kept(valkey: ValkeyServer) -> None:
    for channels in (["a"], []):
        async with listening_to(url_of(valkey), ping_every_s=0.02) as ear:
            await ear.subscription.subscribe(channels)
            valkey.client.config_resetstat()
            await until(lambda: ear.opened == 1)
            await until(lambda: valkey.client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"] > 5)
            assert ear.closed == []


async def test_a_connection_cut_while_thousands_are_subscribed_is_made_anew_and_nobody_waits_for_ever(
    valkey: ValkeyServer,
) -> None:
    names = [f"channel-{number}" for number in range(NAMES_PER_COMMAND * 3)]
    async with bad_link(valkey) as proxy, listening_to(parse_broker_url(through(proxy))) as ear:
        for cut_after in (1, 2, 3):
            proxy.lose_replies(cut_after)
            await ear.subscription.subscribe([f"{cut_after} {name}" for name in names])
        await until(lambda: len(subscribers(valkey)) == len(names) * 3)


async def test_when_looking_up_what_was_missed_fails_the_connection_is_made_anew_and_it_is_asked_again(
    valkey: ValkeyServer,
) -> None:
    ear = Ear(url_of(valkey))
    answers = iter([PublishUncertain("gone"), BrokerUnavailable("away"), None])

    async def look() -> None:
        answer = next(answers)
        if answer is not None:
            raise answer
        ear.opened += 1

    ear.subscription._opened = look
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ear.subscription.run)
            await until(lambda: ear.opened == 1)
            tasks.cancel_scope.cancel()
    assert len(ear.closed) == 2


async def test_channels_that_come_and_go_while_the_server_is_away_take_no_room() -> None:
    url = parse_broker_url(f"redis://127.0.0.1:{free_port()}/0")
    async with listening_to(url) as ear:
        await until(lambda: bool(ear.closed))
        for number in range(1000):
            with anyio.move_on_after(0):
                await ear.subscription.subscribe([f"given up {number}", "always"])
            ear.subscription.unsubscribe([f"given up {number}"])
        subscription = ear.subscription
        assert subscription._wanted == {}
        assert subscription._joins == {}
        assert subscription._to_join + subscription._to_leave == []


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_when_it_ends_whoever_waits_is_told_and_no_connection_is_left(valkey: ValkeyServer) -> None:
    told: list[BrokerUnavailable] = []
    async with bad_link(valkey) as proxy:
        ear = Ear(parse_broker_url(through(proxy)))

        async def wait(names: list[str]) -> None:
            with pytest.raises(BrokerUnavailable) as caught:
                await ear.subscription.subscribe(names)
            told.append(caught.value)

        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as callers, anyio.create_task_group() as tasks:
                tasks.start_soon(ear.subscription.run)
                await ear.subscription.subscribe(["here"])
                proxy.freeze()
                callers.start_soon(wait, ["a", "b"])
                callers.start_soon(wait, ["b"])
                await proxy.held.wait()
                tasks.cancel_scope.cancel()
            assert len(told) == 2
            proxy.thaw()
            await until(lambda: proxy.made == proxy.ended == 1)
            assert list(ear.subscription._wanted) == ["here"]


async def test_a_subscription_may_be_run_again(valkey: ValkeyServer) -> None:
    ear = Ear(url_of(valkey))
    for times in (1, 2):
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ear.subscription.run)
                await ear.subscription.subscribe(["a", f"of run {times}"])
                await until(lambda times=times: ear.opened == times)  # type: ignore[misc]
                tasks.cancel_scope.cancel()
        await until(lambda: connections(valkey) == 0)
    assert list(ear.subscription._wanted) == ["a", "of run 1", "of run 2"]


async def test_one_that_is_cancelled_at_any_moment_leaves_no_connection(valkey: ValkeyServer) -> None:
    for turns in range(0, 60, 3):
        ear = Ear(url_of(valkey))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ear.subscription.run)
            for _ in range(turns):
                await checkpoint()
            tasks.cancel_scope.cancel()
    with anyio.fail_after(LIMIT_S):
        await until(lambda: connections(valkey) == 0)


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_one_channel_that_may_not_be_listened_to_fails_who_asked_for_it_and_nobody_else(
    valkey: ValkeyServer,
) -> None:
    rules = ("reset", "on", ">secret", "~*", "&ours.*", "+@all")
    valkey.client.execute_command("ACL", "SETUSER", "fenced", *rules)
    refused: list[BrokerRefused] = []
    url = parse_broker_url(f"redis://fenced:secret@127.0.0.1:{valkey.port}/0")
    async with listening_to(url) as ear:

        async def ask(name: str) -> None:
            with pytest.raises(BrokerRefused) as caught:
                await ear.subscription.subscribe([name])
            refused.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(ear.subscription.subscribe, [f"ours.{number}"])
                if number % 20 == 0:
                    tasks.start_soon(ask, f"theirs.{number}")
        assert [one.server_code for one in refused] == ["NOPERM"] * 3
        assert ear.closed == []
        assert subscribers(valkey) == {f"ours.{number}": 1 for number in range(50)}
        assert ear.subscription.is_open.is_set()


async def test_a_right_that_is_taken_away_closes_the_connection_instead_of_leaving_listeners_in_the_dark(
    valkey: ValkeyServer,
) -> None:
    narrow, wide = ("reset", "on", ">secret", "+@all"), ("reset", "on", ">secret", "&*", "+@all")
    valkey.client.execute_command("ACL", "SETUSER", "fenced", *wide)
    url = parse_broker_url(f"redis://fenced:secret@127.0.0.1:{valkey.port}/0")
    async with listening_to(url) as ear:
        await ear.subscription.subscribe(["a", "b"])
        valkey.client.execute_command("ACL", "SETUSER", "fenced", *narrow)
        valkey.client.client_kill_filter(_type="pubsub")
        await until(lambda: any("NOPERM" in str(reason) for reason in ear.closed))
        valkey.client.execute_command("ACL", "SETUSER", "fenced", *wide)
        await until(lambda: subscribers(valkey) == {"a": 1, "b": 1})
        say(valkey, "b")
        await until(lambda: ear.heard == [("b", b"to b")])


async def test_what_a_message_says_is_in_no_representation(valkey: ValkeyServer) -> None:
    subscription = Subscription(Connector(url_of(valkey), client_name=CLIENT_NAME), lambda _channel, _payload: None)
    assert "secret" not in repr(subscription)
