"""The runtime layer against a real server: what is changed reaches every daemon, and what is due is in memory in time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import anyio
import pytest

from daemon.clock import SECOND_US, SystemClock
from daemon.scheduler.layers import Setting
from daemon.scheduler.layers.ports import ANYTHING, Edit, Table
from daemon.scheduler.layers.service import AHEAD_US
from tests.support.clock import SetClock
from tests.support.proxy import BadLink
from tests.support.runtime import LATER_US, LIMIT_S, Side, added, desk, once, running, site_entry, storing
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio
SITE = (site_entry("a"), site_entry("b", cron="0 2 * * *"), site_entry("off", enabled=False))
PAUSE = {"pause": Setting(value=True, author="ada@desk", at_us=1, reason="the ward moves")}


# -- overrides ---------------------------------------------------------------------------------------------------------


async def test_a_daemon_begins_with_what_was_changed_before(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        at = desk(store, *SITE)
        await at.change(await at.find_all(["a"]), PAUSE)
        await at.change(await at.find_all(["off"]), {"enabled": Setting(value=True)})
    side = Side(valkey.url, SITE)
    await side.layer.open()
    assert side.schedule.entries.keys() == {"a", "b", "off"}
    assert side.schedule.puts == 3  # none of them was there without its change
    pause = side.schedule.entries["a"].pause
    assert pause is not None
    assert (pause.author, pause.note) == ("ada@desk", "the ward moves")
    await side.store.close()


async def test_a_change_reaches_every_daemon_and_its_end_too(valkey: ValkeyServer) -> None:
    one, two = Side(valkey.url, SITE), Side(valkey.url, SITE)
    async with running(one, two), storing(valkey.url) as store:
        at = desk(store, *SITE)
        for side in (one, two):
            await side.schedule.until(lambda entries: entries.keys() == {"a", "b"})
        edited = await at.change(await at.find_all(["a", "b"]), {**PAUSE, "options.queue": Setting("night")})
        for side in (one, two):
            await side.schedule.until(
                lambda entries: all(one.pause and one.queue == "night" for one in entries.values())
            )
        assert edited.lost == ()
        until = (await store.seen()).broker_us + SECOND_US
        await at.change(await at.find_all(["a"]), {"pause": Setting(value=True, expires_us=until)})
        for side in (one, two):
            await side.schedule.until(lambda entries: entries["a"].pause is None)
            assert side.schedule.entries["b"].pause is not None
            assert (await store.seen()).broker_us >= until
        await at.change(await at.find_all(["a"]), {"enabled": Setting(value=False)})
        for side in (one, two):
            await side.schedule.until(lambda entries: entries.keys() == {"b"})
        await at.forget(["a", "b"])
        for side in (one, two):
            await side.schedule.until(lambda entries: entries.keys() == {"a", "b"} and entries["b"].queue is None)
    assert one.warnings == two.warnings == []


async def test_a_missed_announcement_is_noticed_by_the_count(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    valkey.client.execute_command("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "resetchannels", "+@all")
    deaf = Side(valkey.url.replace("redis://", "redis://deaf:pw@"), SITE)
    async with running(side, deaf), storing(valkey.url) as store:
        at = desk(store, *SITE)
        edited = await at.change(await at.find_all(["a"]), PAUSE)
        await deaf.schedule.until(lambda entries: entries["a"].pause is not None)
        assert edited.heard <= 1
    assert deaf.warnings == ["changes-unheard"]


async def test_a_daemon_that_was_cut_off_catches_up_when_it_is_back(valkey: ValkeyServer) -> None:
    async with BadLink(valkey.port) as link:
        side = Side(f"redis://127.0.0.1:{link.port}/0", SITE)
        async with running(side), storing(valkey.url) as store:
            at = desk(store, *SITE)
            await side.schedule.until(lambda entries: len(entries) == 2)
            link.refuse()
            link.lose_replies()
            valkey.client.client_kill_filter(_type="pubsub")
            await at.change(await at.find_all(["a"]), PAUSE)
            await at.add([added("new", (await store.seen()).broker_us, every="1s")])
            link.accept()
            await side.schedule.until(lambda entries: "new" in entries and entries["a"].pause is not None)


async def test_a_broker_that_forgot_what_was_changed_is_told_of_once(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with running(side), storing(valkey.url) as store:
        at = desk(store, *SITE)
        await at.change(await at.find_all(["a"]), PAUSE)
        await side.schedule.until(lambda entries: "a" in entries and entries["a"].pause is not None)
        valkey.client.flushall()
        await side.schedule.until(lambda entries: entries["a"].pause is None)
        await at.change(await at.find_all(["b"]), PAUSE)
        await side.schedule.until(lambda entries: entries["b"].pause is not None)
    assert side.warnings == ["changes-lost"]


async def test_a_broker_that_forgot_nothing_but_a_hold_is_told_of_too(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with running(side), storing(valkey.url) as store:
        await side.schedule.until(lambda entries: len(entries) == 2)
        await store.gates.hold('{"reason":"works"}', for_us=3600 * SECOND_US)
        assert (await store.gates.held(), (await store.seen()).changes) == ('{"reason":"works"}', 1)
        await heard_of(side, 1)
        valkey.client.flushall()
        await side.warned(1)
    assert side.warnings == ["changes-lost"]


async def heard_of(side: Side, changes: int) -> None:
    with anyio.fail_after(LIMIT_S):
        while side.layer._changes != changes:  # noqa: ASYNC110 - it announces itself to nobody
            await anyio.sleep(0.01)


async def test_what_cannot_be_is_disregarded_and_told_without_its_values(valkey: ValkeyServer) -> None:
    secret = "ZZPATIENT"
    override = (
        f'{{"every": {{"value": "{secret}"}}, "kwargs": {{"value": {{"k": "{secret}"}}}}, "pause": {{"value": true}}}}'
    )
    async with storing(valkey.url) as store:
        await store.edit(Table.OVERRIDES, [Edit("a", ANYTHING, override), Edit("b", ANYTHING, secret)])
        await store.edit(
            Table.ADDED,
            [
                Edit("bad", ANYTHING, secret),
                Edit("worse", ANYTHING, f'{{"name":"w","data":{{"task":"t","every":"{secret}"}}}}'),
            ],
        )
    side = Side(valkey.url, SITE)
    async with running(side):
        await side.schedule.until(lambda entries: entries.keys() == {"a", "b"})
        assert side.schedule.entries["a"].pause is not None
        assert side.schedule.entries["b"].pause is None
        await side.warned(4)
    assert sorted(side.warnings) == [
        "added-unreadable",
        "entry-disregarded",
        "entry-disregarded",
        "override-unreadable",
    ]
    assert secret not in str(side.said)


async def test_a_live_source_adds_and_takes_entries_and_overrides_lie_over_them(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with running(side), storing(valkey.url) as store:
        row = site_entry("row")
        at = desk(store, *SITE, row)
        await at.change(await at.find_all(["row"]), PAUSE)
        side.layer.define([row], [])
        await side.schedule.until(lambda entries: "row" in entries and entries["row"].pause is not None)
        side.layer.define([], [], gone=["row"])
        await side.schedule.until(lambda entries: "row" not in entries)


async def test_an_entry_that_goes_while_it_is_asked_what_was_changed_of_it_is_gone(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Side(valkey.url, SITE)
    read, goes = side.store.read, ["row"]

    async def read_while_it_goes(table: Table, keys: Sequence[str]) -> Mapping[str, str]:
        found = await read(table, keys)
        if goes and goes[0] in keys:
            side.layer.define([], [], gone=[goes.pop()])
        return found

    monkeypatch.setattr(side.store, "read", read_while_it_goes)
    async with running(side), storing(valkey.url) as store:
        row, next_one = site_entry("row"), site_entry("next")
        at = desk(store, *SITE, row, next_one)
        await at.change(await at.find_all(["row", "next"]), PAUSE)
        side.layer.define([row], [])
        await anyio.wait_all_tasks_blocked()
        side.layer.define([next_one], [])
        await side.schedule.until(lambda entries: "next" in entries)
        assert goes == []
        assert "row" not in side.schedule.entries


# -- added entries -----------------------------------------------------------------------------------------------------


async def test_an_added_entry_is_in_memory_only_while_it_is_due_soon(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with storing(valkey.url) as store:
        at = desk(store, *SITE)
        now_us = await at.now_us()
        await at.add([added("late", now_us, at="2199-01-01T00:00:00Z"), added("soon", now_us, every="30s")])
        async with running(side):
            await side.schedule.until(lambda entries: "soon" in entries)
            assert "late" not in side.schedule.entries
            wake_us = now_us + LATER_US
            side.layer.planned("soon", wake_us)
            await side.schedule.until(lambda entries: "soon" not in entries)
            assert [look.at_us for look in await store.looks_of(["soon"])] == [wake_us]


async def test_an_edit_that_brings_an_entry_forward_is_seen_at_once(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with storing(valkey.url) as store, running(side):
        at = desk(store, *SITE)
        now_us = await at.now_us()
        await at.add([added("x", now_us, at="2199-01-01T00:00:00Z"), added("y", now_us, at="2199-01-01T00:00:00Z")])
        await at.add([added("x", now_us, every="1s")], replace=True)
        await at.change(await at.find_all(["y"]), {"every": Setting("1s")})
        await side.schedule.until(lambda entries: {"x", "y"} <= entries.keys())
        await at.add([added("x", now_us, at="2199-01-01T00:00:00Z")], replace=True)
        await side.schedule.until(lambda entries: "x" not in entries)


async def test_an_override_that_ends_has_the_entry_looked_at_then(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with storing(valkey.url) as store:
        at = desk(store, *SITE)
        now_us = await at.now_us()
        await at.add([added("x", now_us, every="1s")])
        ends = now_us + 3 * AHEAD_US
        await at.change(await at.find_all(["x"]), {"at": Setting("2199-01-01T00:00:00Z", expires_us=ends)})
        async with running(side):
            await side.schedule.until(lambda entries: "x" in entries)
            side.layer.planned("x", 7_226_582_400 * SECOND_US)
            await side.schedule.until(lambda entries: "x" not in entries)
            assert [look.at_us for look in await store.looks_of(["x"])] == [ends]


async def test_a_task_that_has_fired_is_gone_and_one_that_was_only_disabled_is_not(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with storing(valkey.url) as store, running(side):
        at = desk(store, *SITE)
        now_us = await at.now_us()
        await at.add([once("fired", now_us, now_us), once("idle", now_us, now_us, enabled=False)])
        await side.schedule.until(lambda entries: "fired" in entries)
        side.layer.planned("fired", None)
        await side.schedule.until(lambda entries: "fired" not in entries)
        with anyio.fail_after(LIMIT_S):
            while await store.looks_of(["idle"]):  # noqa: ASYNC110 - it announces itself to nobody
                await anyio.sleep(0.01)
        assert (await store.read(Table.ADDED, ["fired", "idle"])).keys() == {"idle"}
        await at.change(await at.find_all(["idle"]), {"enabled": Setting(value=True)})
        await side.schedule.until(lambda entries: "idle" in entries)
        await at.remove(["idle"])
        await side.schedule.until(lambda entries: "idle" not in entries)


async def test_an_entry_someone_changed_meanwhile_is_not_put_off_with_the_old_timing(valkey: ValkeyServer) -> None:
    side = Side(valkey.url, SITE)
    async with storing(valkey.url) as store, running(side):
        at = desk(store, *SITE)
        now_us = await at.now_us()
        await at.add([once("x", now_us, now_us)])
        await side.schedule.until(lambda entries: "x" in entries)
        edit = at.edit_of(once("x", now_us + AHEAD_US // 2, now_us), now_us, replace=True)
        valkey.client.client_kill_filter(_type="pubsub")  # the announcement is missed
        await store.edit(Table.ADDED, [edit])
        side.layer.planned("x", None)
        await side.schedule.until(
            lambda entries: "x" in entries and entries["x"].begins_us == now_us + AHEAD_US // 2 - 1
        )
        assert (await store.read(Table.ADDED, ["x"])).keys() == {"x"}


async def test_a_site_entry_of_the_same_name_counts_and_the_added_one_does_not(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        at = desk(store)
        await at.add([added("a", await at.now_us(), every="1s", task="task.other")])
    side = Side(valkey.url, SITE)
    async with running(side):
        await side.schedule.until(lambda entries: entries.keys() == {"a", "b"})
        assert side.schedule.entries["a"].task == "task.a"


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
async def test_settings_end_by_the_brokers_clock_whatever_ours_shows(valkey: ValkeyServer, ahead_s: int) -> None:
    clock = SetClock(SystemClock().now_us() + ahead_s * SECOND_US)
    side = Side(valkey.url, SITE, clock=clock)
    async with storing(valkey.url) as store:
        at = desk(store, *SITE)
        now_us = await at.now_us()
        await at.change(await at.find_all(["a"]), {"pause": Setting(value=True, expires_us=now_us + 600 * SECOND_US)})
        await at.change(await at.find_all(["b"]), {"pause": Setting(value=True, expires_us=now_us - 600 * SECOND_US)})
    await side.layer.open()
    assert [side.schedule.entries[name].pause is not None for name in ("a", "b")] == [True, False]
    await side.store.close()


async def test_a_daemon_that_begins_reads_what_is_due_and_not_all_there_is(valkey: ValkeyServer) -> None:
    async with storing(valkey.url) as store:
        far_us = (await store.seen()).broker_us + LATER_US
        for start in range(0, 50_000, 1000):
            numbers = range(start, start + 1000)
            await store.edit(Table.ADDED, [Edit(f"e{number}", ANYTHING, "unread", far_us) for number in numbers])
        at = desk(store, *SITE)
        await at.add([added("soon", await at.now_us(), every="1s")])
    side = Side(valkey.url, SITE)
    before = valkey.client.info("stats")["total_net_output_bytes"]
    begun = time.monotonic()
    async with running(side):
        await side.schedule.until(lambda entries: "soon" in entries)
    assert valkey.client.info("stats")["total_net_output_bytes"] - before < 100_000
    assert time.monotonic() - begun < LIMIT_S
    assert side.warnings == []


async def test_nothing_is_given_out_before_the_broker_was_asked(valkey: ValkeyServer) -> None:
    async with BadLink(valkey.port) as link:
        link.refuse()
        side = Side(f"redis://127.0.0.1:{link.port}/0", SITE)
        async with running(side):
            assert side.schedule.entries == {}
            link.accept()
            await side.schedule.until(lambda entries: entries.keys() == {"a", "b"})


async def test_a_user_without_the_rights_is_told_once(valkey: ValkeyServer) -> None:
    valkey.client.execute_command("ACL", "SETUSER", "few", "on", ">pw", "~queue", "&*", "+@all")
    side = Side(valkey.url.replace("redis://", "redis://few:pw@"), SITE)
    async with running(side):
        await side.warned(1)
        await anyio.sleep(0.5)
    assert side.warnings == ["changes-unread"]
    assert side.schedule.entries == {}
