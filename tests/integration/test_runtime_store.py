"""What is kept of a schedule at run time, on a real server: one script for each change, and nothing is overwritten unseen."""

from __future__ import annotations

import anyio
import pytest

from daemon.clock import SECOND_US
from daemon.errors import BrokerDown
from daemon.scheduler.layers import Setting
from daemon.scheduler.layers.ports import ANYTHING, EDITS_LIMIT, Edit, Later, Look, Table, Told
from tests.support.process import ROOT
from tests.support.proxy import BadLink
from tests.support.runtime import LATER_US, LIMIT_S, Side, added, desk, once, running, site_entry, store_at, storing
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio
AT_US = 1_790_000_000 * SECOND_US


async def test_a_text_is_changed_only_if_it_stands_as_it_was_read(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        assert (await store.edit(Table.OVERRIDES, [Edit("a", None, "1"), Edit("b", None, "2")])).lost == ()
        edited = await store.edit(Table.OVERRIDES, [Edit("a", None, "x"), Edit("b", "2", "3"), Edit("c", "2", "x")])
        assert edited.lost == ("a", "c")
        assert await store.read(Table.OVERRIDES, ["a", "b", "c"]) == {"a": "1", "b": "3"}
        assert (await store.edit(Table.OVERRIDES, [Edit("a", ANYTHING, None), Edit("b", "3", None)])).lost == ()
        assert await store.read(Table.OVERRIDES, ["a", "b"]) == {}


async def test_each_change_counts_once_and_one_that_changes_nothing_does_not(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        assert (await store.seen()).changes == 0
        assert (await store.edit(Table.ADDED, [Edit(str(number), None, "x") for number in range(9)])).changes == 1
        assert (await store.edit(Table.OVERRIDES, [Edit("a", "no", "x")])).changes == 1
        assert (await store.seen()).changes == 1


async def test_two_who_change_the_same_entry_at_once_lose_nothing(valkey: ValkeyServer) -> None:
    async def count(times: int) -> None:
        async with storing(valkey.url) as store:
            for _ in range(times):
                while True:
                    text = (await store.read(Table.OVERRIDES, ["a"])).get("a")
                    if not (await store.edit(Table.OVERRIDES, [Edit("a", text, str(int(text or 0) + 1))])).lost:
                        break

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(count, 50)
    assert valkey.client.hget("carillon:1:lab:overrides", "a") == b"200"


async def test_an_announcement_names_what_was_changed_and_its_maker_hears_how_many_listened(
    valkey: ValkeyServer,
) -> None:
    heard: list[Told] = []
    joined, told = anyio.Event(), anyio.Event()

    async def now_joined() -> None:
        joined.set()

    def hear(one: Told) -> None:
        heard.append(one)
        told.set()

    async with storing(valkey.url) as store, storing(valkey.url) as other, anyio.create_task_group() as tasks:
        tasks.start_soon(other.listen, hear, now_joined)
        with anyio.fail_after(LIMIT_S):
            await joined.wait()
            edited = await store.edit(Table.ADDED, [Edit("a", None, "secret"), Edit("b", "x", "secret")])
            await told.wait()
        assert heard == [Told(1, Table.ADDED, ("a",))]
        assert edited.heard == 1
        valkey.client.publish("carillon:1:lab:changes", b"not ours")
        tasks.cancel_scope.cancel()


async def test_an_added_entry_is_looked_at_no_later_than_its_first_occurrence(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        now_us = (await store.seen()).broker_us
        soon, late = now_us + SECOND_US, now_us + LATER_US
        await store.edit(Table.ADDED, [Edit("soon", None, "x", soon), Edit("late", None, "x", late)])
        looks, _ = await store.looks(60 * SECOND_US, 10)
        assert [look.id for look in looks] == ["soon"]
        assert soon - 2000 < looks[0].at_us < soon
        [late_look] = await store.looks_of(["late", "nobody"])
        assert late - 2000 < late_look.at_us < late


async def test_the_instant_is_not_put_off_by_who_has_not_seen_the_last_change(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        await store.edit(Table.ADDED, [Edit("a", None, "one", AT_US)])
        [seen] = await store.looks_of(["a"])
        await store.edit(Table.ADDED, [Edit("a", "one", "two", AT_US)])  # the same instant, another entry
        [after] = await store.looks_of(["a"])
        assert await store.postpone([Later("a", seen.at_us, AT_US + LATER_US)]) == ["a"]
        assert await store.postpone([Later("a", seen.at_us, None, is_spent=True)]) == ["a"]
        assert await store.looks_of(["a"]) == [after]
        assert await store.postpone([Later("a", after.at_us, AT_US + LATER_US)]) == []
        assert await store.looks_of(["a"]) == [Look("a", AT_US + LATER_US)]


async def test_an_override_of_an_added_entry_has_it_looked_at_at_once(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        now_us = (await store.seen()).broker_us
        await store.edit(Table.ADDED, [Edit("a", None, "x", now_us + LATER_US)])
        await store.edit(Table.OVERRIDES, [Edit("a", None, "y"), Edit("of-the-site", None, "y")])
        looks, _ = await store.looks(0, 10)
        assert [look.id for look in looks] == ["a"]


async def test_what_is_spent_or_removed_leaves_nothing_behind(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        await store.edit(Table.ADDED, [Edit("spent", None, "x", AT_US), Edit("removed", None, "x", AT_US)])
        await store.edit(Table.OVERRIDES, [Edit("spent", None, "y"), Edit("removed", None, "y")])
        valkey.client.hset("carillon:1:lab:entries", mapping={"removed": "h", "kept": "h"})
        [seen] = await store.looks_of(["spent"])
        assert await store.postpone([Later("spent", seen.at_us, None, is_spent=True)]) == []
        await store.edit(Table.ADDED, [Edit("removed", ANYTHING, None)])
    assert set(valkey.client.keys()) == {b"carillon:1:lab:changed", b"carillon:1:lab:entries"}
    assert valkey.client.hkeys("carillon:1:lab:entries") == [b"kept"]


async def test_an_entry_that_is_added_anew_owes_nothing_to_another_of_its_name(valkey: ValkeyServer) -> None:
    valkey.client.hset("carillon:1:lab:entries", "a", "horizon")
    async with storing(valkey.url) as store:
        await store.edit(Table.ADDED, [Edit("a", None, "one")])
        assert valkey.client.hget("carillon:1:lab:entries", "a") is None
        valkey.client.hset("carillon:1:lab:entries", "a", "horizon")
        await store.edit(Table.ADDED, [Edit("a", "one", "two")])
    assert valkey.client.hget("carillon:1:lab:entries", "a") == b"horizon"


async def test_a_whole_table_is_read_in_pages(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        for start in range(0, 3000, EDITS_LIMIT):
            numbers = range(start, start + EDITS_LIMIT)
            await store.edit(Table.ADDED, [Edit(f"e{number}", ANYTHING, str(number)) for number in numbers])
        found: dict[str, str] = {}
        pages = 0
        async for page in store.pages(Table.ADDED):
            found |= page
            pages += 1
    assert found == {f"e{number}": str(number) for number in range(3000)}
    assert pages > 1


@pytest.mark.parametrize(
    ("what", "kind"), [("overrides", "string"), ("added", "string"), ("looks", "string"), ("entries", "string"), ("changed", "text")]
)  # fmt: skip
async def test_a_key_that_holds_something_else_stops_a_change_before_it_begins(
    valkey: ValkeyServer, what: str, kind: str
) -> None:
    valkey.client.set(f"carillon:1:lab:{what}", kind)
    before = {key: valkey.client.dump(key) for key in valkey.client.scan_iter()}
    async with storing(valkey.url) as store:
        with pytest.raises(BrokerDown, match="WRONGTYPE"):
            await store.edit(Table.ADDED, [Edit("a", ANYTHING, "x", AT_US)])
    assert {key: valkey.client.dump(key) for key in valkey.client.scan_iter()} == before


async def test_a_user_without_the_rights_changes_nothing(valkey: ValkeyServer) -> None:
    valkey.client.execute_command(
        "ACL", "SETUSER", "few", "on", ">pw", "~*", "&*", "+@all", "-zadd"
    )  # fmt: skip
    async with storing(valkey.url.replace("redis://", "redis://few:pw@")) as store:
        with pytest.raises(BrokerDown, match="ZADD"):
            await store.edit(Table.ADDED, [Edit("a", ANYTHING, "x", AT_US)])
    assert valkey.client.keys() == []


RIGHTS = (
    "EVAL EVALSHA TIME TYPE HMGET HSET INFO CLIENT|SETNAME GET SET DEL INCR HGET HDEL HEXISTS HSCAN ZADD ZREM ZSCORE ZMSCORE "
    "ZRANGEBYSCORE PUBLISH SUBSCRIBE"
)


async def test_the_rights_that_are_documented_are_enough(valkey: ValkeyServer) -> None:
    page = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    assert RIGHTS.rpartition("CLIENT|SETNAME ")[2] in page.replace("`", "")
    rights = [f"+{one.lower()}" for one in RIGHTS.split()]
    valkey.client.execute_command(
        "ACL", "SETUSER", "just", "on", ">pw", "~carillon:1:*", "resetchannels", "&carillon:1:*", *rights
    )
    side = Side(valkey.url.replace("redis://", "redis://just:pw@"), [site_entry("a")])
    async with running(side), storing(valkey.url.replace("redis://", "redis://just:pw@")) as store:
        at = desk(store, site_entry("a"))
        now_us = await at.now_us()
        await at.change(await at.find_all(["a"]), {"every": Setting("2h")})
        await at.add([added("b", now_us, every="1s"), once("c", now_us, now_us)])
        await side.schedule.until(lambda entries: entries.keys() == {"a", "b", "c"})
        side.layer.planned("c", None)
        await side.schedule.until(lambda entries: entries.keys() == {"a", "b"})
        assert [one.id async for one in at.each()] == ["a", "b"]
        await at.remove(["b"])
        await side.schedule.until(lambda entries: entries.keys() == {"a"})
        await store.gates.hold("works", for_us=SECOND_US)
        await store.gates.hold(None)
        assert await store.gates.held() is None
        assert await store.horizons(["a"]) == {}
    assert side.warnings == []


async def test_a_change_whose_answer_is_lost_was_made_once_or_not_at_all(valkey: ValkeyServer) -> None:
    async with BadLink(valkey.port) as link:
        store = store_at(f"redis://127.0.0.1:{link.port}/0")
        await store.seen()
        link.lose_replies()
        with pytest.raises(BrokerDown):
            await store.edit(Table.OVERRIDES, [Edit("a", None, "1")])
        text = (await store.read(Table.OVERRIDES, ["a"])).get("a")
        assert (text, (await store.seen()).changes) in (("1", 1), (None, 0))
        await store.close()


def test_the_texts_do_not_show() -> None:
    assert "secret" not in repr(Edit("a", "secret", "secret"))
