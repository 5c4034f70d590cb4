"""Users with narrow rights, and proxies that speak the old protocol only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shim.broker_url import BrokerUrl, parse_broker_url
from shim.claim import Claim, Outcome, Write
from shim.errors import BrokerRefused, BrokerUnavailable
from shim.guard import Guard, RateClaim, Record, SlotClaim, Slots
from shim.link import Link
from shim.publisher import Publisher
from tests.support.brokers import claimed, linked_to, listening_to, publishing_to, written
from tests.support.old_proxy import OldProxy
from tests.support.publishing import HOUR_US, message, queued, until
from tests.support.sentinel import Sentinel, monitoring, sentinel_url
from tests.support.valkey import ValkeyServer, free_port

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "shim" / "brokers.md"
META = "celery-task-meta-x"


def rules(name: str) -> list[str]:
    """Give the words of a rule in the documentation, after the user's password."""
    found = re.search(rf"^ACL SETUSER {name} on >secret (.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1].replace("\\\n", " ").split()


def user(server: ValkeyServer, name: str, words: list[str]) -> BrokerUrl:
    server.client.execute_command("ACL", "SETUSER", name, "reset", "on", ">secret", *words)
    return parse_broker_url(f"redis://{name}:secret@127.0.0.1:{server.port}/1")


async def test_the_rule_in_the_documentation_is_enough_for_all_that_is_done(valkey: ValkeyServer) -> None:
    url = user(valkey, "shim", rules("shim"))
    async with (
        publishing_to(url) as publisher,
        linked_to(url) as link,
        listening_to(url, patterns=["/1.celeryev/*"], ping_every_s=0.1) as ear,
    ):
        assert await written(publisher, permitted("a")) is Outcome.WRITTEN
        await _guarded(publisher, link)
        assert (await link.facts()).role == "master"
        await ear.subscription.subscribe([META])
        for command in _everyday_commands():
            await link.call(*command)
        other = valkey.client
        other.select(1)
        other.publish(META, "done")
        other.publish("/1.celeryev/worker.heartbeat", "beat")
        await until(lambda: len(ear.heard) == 2)
        ear.subscription.unsubscribe([META])
        await until(lambda: other.pubsub_numsub(META) == [(META.encode(), 0)])
        assert ear.opened == 1


def permitted(name: str) -> Write:
    """Make a write to what the rules let a user write to."""
    return Write(Claim("carillon:test", name, None, "1", ttl_s=60), (message(name, queue="celery", priority=6),))


async def _guarded(publisher: Publisher, link: Link) -> None:
    slots = tuple(SlotClaim(f"carillon:slots:{name}", name, 1, HOUR_US) for name in ("one", "two"))
    rate = RateClaim("carillon:rate", 2, HOUR_US)
    guard = Guard("holder", "carillon:running", slots, (rate,), "carillon:hold")
    record = Record("carillon:history", 10, "r")
    assert await written(publisher, permitted("guarded")._replace(guard=guard, records=(record,))) is Outcome.WRITTEN
    held = Slots(link, running_key="carillon:running", slots_prefix="carillon:slots:")
    assert [one.name for one in await held.holders()] == ["holder"]
    assert await held.release(["holder"]) == {"one", "two"}


async def test_a_publisher_may_use_guards_with_the_rights_the_documentation_names(valkey: ValkeyServer) -> None:
    found = re.search(r"guards and records\].*?`(\+[^`]+)`", PAGE.read_text(), re.DOTALL)
    assert found
    url = user(valkey, "publisher", [*rules("publisher"), *found[1].split()])
    async with publishing_to(url) as publisher, linked_to(url) as link:
        await _guarded(publisher, link)


def _everyday_commands() -> list[tuple[Any, ...]]:
    reply = "11111111-1111-1111-1111-111111111111.reply.celery.pidbox"
    return [
        *(("GET", META), ("MGET", META, META), ("DEL", META)),
        *(("PUBLISH", "/1.celery.pidbox", "{}"), ("LPUSH", reply, "{}"), ("BRPOP", reply, 1), ("EXPIRE", reply, 10)),
        *(("LLEN", "celery"), ("HLEN", "unacked"), ("LRANGE", "celery", 0, 1), ("HVALS", "unacked"), ("DEL", reply)),
        *(("SMEMBERS", "_kombu.binding.celery"), ("PUBSUB", "NUMSUB", "/1.celery.pidbox"), ("PING",), ("TIME",)),
    ]


def test_the_rule_in_the_documentation_has_every_command_that_is_sent() -> None:
    sent: set[str] = set()
    for path in (*(ROOT / "shim").rglob("*.lua"), *(ROOT / "shim").rglob("*.py")):
        sent |= set(re.findall(r"redis\.p?call\('([A-Z]+)'", path.read_text()))
        sent |= set(re.findall(r"\b(?:call|pack_command)\(\"([A-Z]+)\"", path.read_text()))
    assert {"EVALSHA", "LPUSH", "MGET", "PUBLISH"} <= sent
    given = {one[1:].split("|")[0].upper() for one in rules("shim") if one.startswith("+")}
    assert sent - given - {"SENTINEL"} == set()


async def test_a_publishers_rule_lets_it_publish_and_nothing_else(valkey: ValkeyServer) -> None:
    url = user(valkey, "publisher", rules("publisher"))
    async with publishing_to(url) as publisher, linked_to(url) as link:
        assert await written(publisher, permitted("a")) is Outcome.WRITTEN
        assert await written(publisher, permitted("b")._replace(claim=None)) is Outcome.WRITTEN
        assert (await link.facts()).role == "master"
        for command in (
            ("GET", META),
            ("FLUSHALL",),
            ("KEYS", "*"),
            ("CONFIG", "GET", "requirepass"),
            ("DEL", "celery"),
        ):
            with pytest.raises(BrokerRefused) as caught:
                await link.call(*command)
            assert caught.value.server_code == "NOPERM"


@pytest.mark.parametrize(
    ("right", "named"),
    [("-subscribe", "subscribe"), ("-psubscribe", "psubscribe"), ("resetchannels", "a channel"), ("-select", "select")],
)
async def test_a_right_that_listeners_lack_is_named(valkey: ValkeyServer, right: str, named: str) -> None:
    url = user(valkey, "narrow", ["~*", "&*", "+@all", right])
    async with listening_to(url, patterns=["/1.celeryev/*"] if right != "-subscribe" else []) as ear:
        if right == "-subscribe":
            with pytest.raises(BrokerRefused, match=named) as caught:
                await ear.subscription.subscribe([META])
            assert "docs/shim/brokers.md" in caught.value.hint
            return
        await until(lambda: bool(ear.closed))
        [*_, reason] = ear.closed
        assert isinstance(reason, BrokerUnavailable)
        assert named in str(reason)
        assert "docs/shim/brokers.md" in reason.hint
        assert "secret" not in f"{reason}{reason.hint}"
        user(valkey, "narrow", ["~*", "&*", "+@all"])
        await until(lambda: ear.opened == 1)


async def test_over_a_socket_a_refusal_is_told_as_over_a_network(valkey: ValkeyServer) -> None:
    path = valkey.folder / "socket"
    with ValkeyServer("--unixsocket", str(path)) as server:
        server.client.config_set("requirepass", "secret")
        async with linked_to(parse_broker_url(f"redis+socket://:wrong@{path}")) as link:
            with pytest.raises(BrokerUnavailable) as caught:
                await link.call("PING")
        assert "password" in caught.value.hint
        async with linked_to(parse_broker_url(f"redis+socket://:secret@{path}?virtual_host=2")) as link:
            assert await link.call("PING") == b"PONG"


async def test_a_node_of_a_cluster_is_refused_with_a_sentence() -> None:
    # The port of the bus is 10,000 above the other unless it is said, and that may not exist.
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with ValkeyServer(*options, append_only=False) as server:
        async with linked_to(parse_broker_url(server.url)) as link:
            with pytest.raises(BrokerUnavailable, match="Redis Cluster is not spoken") as caught:
                await link.call("SET", "a", "b")
        assert "Sentinel" in caught.value.hint


async def test_no_command_is_sent_that_a_proxy_of_the_old_protocol_does_not_know(valkey: ValkeyServer) -> None:
    with monitoring(valkey.port) as sentinel:
        async with OldProxy(valkey.port) as proxy, OldProxy(sentinel.port) as asked:
            url = parse_broker_url(f"redis://127.0.0.1:{proxy.port}/1")
            async with publishing_to(url) as publisher, linked_to(url) as link, listening_to(url) as ear:
                assert await written(publisher, claimed("a")) is Outcome.WRITTEN
                await link.facts()
                await ear.subscription.subscribe(["news"])
                await until(lambda: valkey.client.publish("news", "here") == 1)
                await until(lambda: bool(ear.heard))
            behind = Sentinel()
            behind.port = asked.port
            async with publishing_to(sentinel_url(behind)) as publisher:
                assert await written(publisher, claimed("b")) is Outcome.WRITTEN
    assert queued(valkey) == ["b"]
    assert {b"EVALSHA", b"SUBSCRIBE", b"CLIENT SETNAME", b"SELECT", b"INFO"} <= set(proxy.seen)
    assert set(asked.seen) == {b"SENTINEL"}
    assert not {one for one in (*proxy.seen, *asked.seen) if one.startswith(b"HELLO")}
