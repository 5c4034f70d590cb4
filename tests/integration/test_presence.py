"""Daemons of a site see each other in Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anyio
import pytest

from daemon.dispatch import CelerySide
from daemon.dispatch.presence import FORGET_US, RedisPresence, make_presence
from daemon.errors import BrokerDown
from daemon.public import Public
from tests.support.valkey import ValkeyServer

SITE = Public("lab")
KEY = "p:carillon:1:lab:daemons"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer(append_only=False) as made:
        yield made


def presence(server: ValkeyServer) -> RedisPresence:
    side = CelerySide({"broker_url": server.url, "broker_transport_options": {"global_keyprefix": "p:"}})
    made = make_presence(side, SITE)
    assert made is not None
    return made


def test_signs_are_seen_by_all_and_taken_away_by_who_ends(server: ValkeyServer) -> None:
    async def story() -> None:
        one, two = presence(server), presence(server)
        seen, first_us = await one.show("d1", {"pid": 7})
        assert seen == {"d1": first_us}
        seen, second_us = await two.show("d2", {"pid": 8})
        assert seen == {"d1": first_us, "d2": second_us}
        assert second_us >= first_us
        assert json.loads(server.client.hget(KEY, "d1").split(b" ", 1)[1]) == {"pid": 7}
        await two.leave("d2")
        seen, _ = await one.show("d1", None)
        assert seen == {"d1": first_us}
        await one.close()
        await two.close()

    anyio.run(story)


def test_who_has_given_no_sign_for_a_day_is_forgotten_and_nonsense_with_him(server: ValkeyServer) -> None:
    async def story() -> None:
        place = presence(server)
        _, now_us = await place.show("d1", {})
        server.client.hset(
            KEY,
            mapping={"old": f"{now_us - FORGET_US - 1} {{}}", "odd": "what", "late": f"{now_us - FORGET_US // 2} {{}}"},
        )
        seen, _ = await place.show("d1", {})
        assert seen.keys() == {"d1", "late"}
        assert server.client.hkeys(KEY) == [b"d1", b"late"]
        await place.close()

    anyio.run(story)


def test_a_broker_that_is_away_is_said_to_be() -> None:
    async def story() -> None:
        place = RedisPresence(CelerySide({"broker_url": "redis://127.0.0.1:1/0"}), SITE)
        with pytest.raises(BrokerDown):
            await place.show("d1", {})
        with pytest.raises(BrokerDown):
            await place.leave("d1")
        await place.close()

    anyio.run(story)


def test_a_site_on_rabbitmq_has_no_such_place() -> None:
    assert make_presence(CelerySide({"broker_url": "amqp://localhost//"}), SITE) is None
