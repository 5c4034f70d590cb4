"""What looks at a site for people: alerts that outlive the daemon and are muted, queues nobody takes from, traffic over a restart."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.alerts import Channels, Courier
from daemon.alerts.board import AlertBoard
from daemon.alerts.channels import Channel, Webhook
from daemon.alerts.queue_look import QueueLook
from daemon.clock import instant
from daemon.deeds import Deed, DeedKind
from daemon.desks import AlertState, By, NotHere, NotThere, QueueLine, QueueLines, QueueState, Strip, Unavailable
from daemon.errors import AuditFailed
from daemon.feed_events import Answered
from daemon.hl7listener.watch.alarms import FeedAlarm
from daemon.hl7listener.watch.traffic_service import Traffic
from daemon.public import Public
from daemon.scheduler.watch import Alert
from daemon.watch_events import AlertFailed, AlertSent, FeedAlarmEnded, FeedAlarmRaised
from daemon.whole_file import write_whole
from tests.support.clock import START_US, SetClock
from tests.support.feeds import ADT, feed

pytestmark = pytest.mark.anyio
LIMIT_S = 30.0
NOW = instant(START_US)
WHO = By(Public("jdoe"), Public("10.0.0.7"), Public("operator"))
NAME = "feed-quiet:adt"
HOOK = Channels(Webhook("http://127.0.0.1:1/secret"))


@dataclass
class Deeds:
    """Keeps what is recorded, or fails to."""

    found: list[Deed] = field(default_factory=list)
    is_broken: bool = False

    async def record(self, deed: Deed) -> None:
        await anyio.lowlevel.checkpoint()
        if self.is_broken:
            message = "no"
            raise AuditFailed(message)
        self.found.append(deed)


@dataclass
class Site:
    """A board and what is around it."""

    board: AlertBoard
    clock: SetClock
    deeds: Deeds
    tested: list[str]


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    clock, deeds, tested, told = SetClock(), Deeds(), list[str](), list[object]()

    def test(channel: str) -> bool:
        tested.append(channel)
        return True

    board = AlertBoard(
        folder, HOOK, clock, told.append, deeds, why=lambda feed, code: Public(f"{feed} {code}"), test=test
    )
    await board.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(board.serve)
        yield Site(board, clock, deeds, tested)
        await board.drain()
        tasks.cancel_scope.cancel()


def raised() -> FeedAlarmRaised:
    return FeedAlarmRaised(ADT, FeedAlarm.QUIET, START_US)


async def test_what_people_did_about_an_alert_is_recorded_first_and_outlives_the_daemon(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        at.board.hear(raised())
        [row] = at.board.rows()
        assert (row.id, row.detail, row.notified) == (NAME, "adt feed-quiet", ("webhook",))
        await at.board.acknowledge(NAME, WHO, Public("seen"))
        until_us = at.clock.now_us() + 60_000_000
        await at.board.silence(NAME, until_us, WHO, Public("upgrade"))
        assert at.board.mutes("feed-quiet", "adt")
        [first, second] = at.deeds.found
        assert (first.kind, first.address, first.before, first.after) == (
            DeedKind.ALERT_SILENCED,
            "10.0.0.7",
            "open",
            "acknowledged",
        )
        assert (second.note, second.after) == ("upgrade", "silenced")
        at.deeds.is_broken = True
        with pytest.raises(AuditFailed):
            await at.board.unsilence(NAME, WHO)
        assert at.board.mutes("feed-quiet", "adt")
    async with site(tmp_path) as at:
        assert at.board.rows() == []  # until it is seen again
        assert at.board.mutes("feed-quiet", "adt")
        at.board.hear(raised())
        [row] = at.board.rows()
        assert (row.state, row.acknowledged is not None) == (AlertState.SILENCED, True)
        await at.board.unsilence(NAME, WHO)
        assert not at.board.mutes("feed-quiet", "adt")


async def test_what_is_kept_last_is_what_was_done_last_however_slow_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def write_slowly(path: Path, content: bytes) -> None:
        if not begun.is_set():
            begun.set()
            assert may_end.wait(LIMIT_S)
        write_whole(path, content)

    monkeypatch.setattr("daemon.alerts.board.write_whole", write_slowly)
    board = AlertBoard(
        tmp_path, HOOK, SetClock(), list[object]().append, Deeds(), why=lambda *_: None, test=lambda _: True
    )
    await board.open()
    async with anyio.create_task_group() as tasks:
        board.hear(raised())
        tasks.start_soon(board.serve)
        assert await anyio.to_thread.run_sync(begun.wait, LIMIT_S)
        await board.silence(NAME, START_US + 60_000_000, WHO, Public("upgrade"))
        tasks.start_soon(board.drain)
        await anyio.wait_all_tasks_blocked()
        may_end.set()
    async with site(tmp_path) as at:
        assert at.board.mutes("feed-quiet", "adt")
        at.board.hear(FeedAlarmEnded(ADT, FeedAlarm.QUIET, START_US))
        with pytest.raises(NotThere):
            await at.board.silence(NAME, START_US, WHO, Public("too late"))


async def test_a_channel_shows_how_it_went_and_can_be_tried(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        assert await at.board.test("webhook", WHO) == "127.0.0.1"
        assert at.tested == ["webhook"]
        with pytest.raises(NotThere):
            await at.board.test("pigeon", WHO)
        at.board.hear(AlertFailed(Channel.WEBHOOK, Public("127.0.0.1"), Public("answered 500")))
        [row] = at.board.channels()
        assert (row.reason, row.ok_us) == ("answered 500", None)
        at.board.hear(AlertSent(Channel.WEBHOOK))
        assert at.board.channels()[0].ok_us is not None
        assert [one.state for one in at.board.rows()] == [AlertState.CLOSED]


async def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text('{"version": 1, "alerts": [3]}')
    async with site(tmp_path) as at:
        at.board.hear(raised())
        assert len(at.board.rows()) == 1


async def test_what_is_muted_is_not_sent_and_a_test_is_all_the_same() -> None:
    courier = Courier(HOOK, list[object]().append)
    alert = Alert(Public("s"), Public("d"), None, None, Public("feed-quiet"), 0, 0, is_over=False, feed=ADT)
    courier.mutes = lambda one: one.feed == ADT
    courier.tell(alert)
    waits = [courier.is_idle]
    assert courier.test("webhook", alert)
    waits.append(courier.is_idle)
    assert waits == [True, False]
    assert not courier.test("email", alert)


NOBODY = QueueLine(
    "llm",
    QueueState.NO_CONSUMER,
    25,
    None,
    840.0,
    None,
    None,
    None,
    None,
    (),
    0,
    False,  # noqa: FBT003 - a row
    0,
    (),
    (),
    (),
    Strip(300, NOW, ()),
    0,
)


class Queues:
    """Queues as a test has them."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.looks = 0

    async def lines(self) -> QueueLines:
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return QueueLines(tuple(answer), NOW, True, None)  # noqa: FBT003 - complete


async def test_a_queue_nobody_takes_from_is_found_though_nobody_looks() -> None:
    seen: list[tuple[str, dict[str, str]]] = []
    empty = replace(NOBODY, name="idle", waiting=0)
    queues = Queues(Unavailable("away"), [NOBODY, empty], [])
    look = QueueLook(queues, lambda code, found: seen.append((code, dict(found))), every_s=0.001)  # type: ignore[arg-type]
    await look.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look.serve)
        with anyio.fail_after(LIMIT_S):
            while queues.looks < 4:  # noqa: ASYNC110 - a service of its own
                await anyio.sleep(0.001)
        await look.drain()
    found = [where for code, where in seen if code == "queue-without-consumer"]
    assert found[:2] == [{"llm": "25 wait, the oldest for 14 min"}, {}]
    assert all(where == {} for code, where in seen if code == "queue-stuck")


async def test_where_queues_cannot_be_looked_at_it_is_not_tried_again() -> None:
    queues = Queues(NotHere("not on this broker"))
    look = QueueLook(queues, lambda *told: told, every_s=0.001)  # type: ignore[arg-type]
    await look.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look.serve)
        with anyio.fail_after(LIMIT_S):
            while not queues.looks:  # noqa: ASYNC110 - a service of its own
                await anyio.sleep(0.001)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        await look.drain()
    assert queues.looks == 1


async def test_traffic_outlives_the_daemon(tmp_path: Path) -> None:
    clock = SetClock()
    traffic = Traffic([feed()], tmp_path, clock)
    for _ in range(2):
        traffic = Traffic([feed()], tmp_path, clock)
        await traffic.open()
        traffic.hear(Answered(ADT, Public("AA"), (0.1, 0.2)))
        await traffic.drain()
    assert traffic.feeds["adt"].minutes.last(clock.now_us())[-1] == 4
    (tmp_path / "traffic.json").write_bytes(b"[not this]")
    traffic = Traffic([feed()], tmp_path, clock)
    await traffic.open()
    assert sum(traffic.feeds["adt"].minutes.last(clock.now_us())) == 0
