"""Every minute the scheduler asks the broker again what it remembers; occurrences do not wait until it has heard of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from daemon import schedule_events
from daemon.ports import Ledger
from daemon.public import Public
from daemon.scheduler.loop import READ_AGAIN_S, READ_AMONG
from daemon.scheduler.model import CatchUpPolicy, Entry
from tests.support.broker_model import BrokerModel, Link
from tests.support.scheduling import DAY_S, World, due_between, every, ids, lateness_s, story

BUSY_S = 3.7
READ_S = 0.01


@dataclass
class _SlowReads(Link):
    """Needs its time for each entry it is asked of."""

    asked: list[tuple[int, str]] = field(default_factory=list)

    async def read(self, ledger: Public, fields: Sequence[str]) -> Ledger:
        self.asked += [(self.broker.clock.now_us(), name) for name in fields]
        await anyio.sleep(len(fields) * READ_S)
        return await super().read(ledger, fields)


def _slow(broker: BrokerModel) -> _SlowReads:
    plain = broker.link()
    return _SlowReads(broker, plain.hook, None)


def _rare(count: int) -> list[Entry]:
    return [every(30 * DAY_S, f"rare-{number}") for number in range(count)]


@story
async def test_an_occurrence_waits_for_a_few_of_the_entries_asked_of_again_and_not_for_all(world: World) -> None:
    link, busy, rare = _slow(world.broker), every(BUSY_S, "busy", policy=CatchUpPolicy.ALL), _rare(20 * READ_AMONG)
    world.start(busy, *rare, link=link)
    ready_s = (len(rare) + 1) * READ_S + BUSY_S
    end_s = ready_s + 3 * READ_AGAIN_S
    await world.sleep(end_s + 2 * READ_AMONG * READ_S)
    pushed = {one.task_id: one for one in world.broker.pushed}
    fired = due_between(busy, ready_s, end_s)
    late = [lateness_s(pushed[one], at_s) for one, at_s in zip(ids(busy, *fired), fired, strict=True)]
    assert len(link.asked) >= 3 * len(rare)
    assert max(late) <= READ_AMONG * READ_S + 0.1 < len(rare) * READ_S / 2


@story
async def test_every_entry_is_asked_of_again_once_a_minute(world: World) -> None:
    link, entries = _slow(world.broker), _rare(3 * READ_AMONG + 7)
    world.start(*entries, link=link)
    took_s = len(entries) * READ_S
    await world.sleep(took_s + READ_AGAIN_S / 2)
    link.asked.clear()
    await world.sleep(READ_AGAIN_S / 2 + took_s + 1)
    assert sorted(name for _, name in link.asked) == sorted(str(entry.id) for entry in entries)


@story
async def test_what_the_broker_lost_is_noticed_while_other_entries_fire(world: World) -> None:
    busy, rare = every(BUSY_S, "busy", policy=CatchUpPolicy.ALL), _rare(3 * READ_AMONG)
    daemon = world.start(busy, *rare)
    await world.sleep(READ_AGAIN_S / 2)
    del world.broker.ledgers[next(iter(world.broker.ledgers))][str(rare[READ_AMONG].id)]
    await world.sleep(READ_AGAIN_S)
    assert [event.entry for event in daemon.heard(schedule_events.ScheduleForgotten)] == [rare[READ_AMONG].name]


@story
async def test_an_entry_taken_out_while_others_are_asked_of_again_stays_out(world: World) -> None:
    link, rare = _slow(world.broker), _rare(3 * READ_AMONG)
    daemon = world.start(*rare, link=link)
    await world.sleep(len(rare) * READ_S + READ_AGAIN_S + READ_AMONG * READ_S / 2)
    daemon.scheduler.drop([str(entry.id) for entry in rare])
    await world.sleep(2 * READ_AGAIN_S)
    assert len(daemon.scheduler) == 0
    assert max(at_us for at_us, _ in link.asked) < world.clock.now_us() - READ_AGAIN_S * 1_000_000
