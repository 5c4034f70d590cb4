"""Orders carried out with a ledger and an outbox on the disk, held to what the claim script does with the same orders."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.clock import SECOND_US, instant
from daemon.dispatch.booking import Booking
from daemon.dispatch.ledger import Advance, Estate, Offer, inherit, read_estate, write_estate
from daemon.dispatch.ledger_file import LedgerFile
from daemon.errors import LedgerFailed
from daemon.ports import Order, Settled, Settlement, Ticket, WorkItem, no_fault
from daemon.public import Public
from shim.amqp.connector import AmqpConnector
from shim.amqp.outbox import Outbox, OutboxLimits
from shim.amqp.publisher import AmqpPublisher
from shim.amqp.url import parse_amqp_urls
from tests.support.broker_model import BrokerModel
from tests.support.clock import START_US, SetClock
from tests.support.rabbitmq_publishing import amqp_message

pytestmark = pytest.mark.anyio

LEDGER = Public("carillon:1:site:entries")
SECRET = "ZZPATIENT"
ENQUEUED, ALREADY, LOST, NOT_SENT, UNAVAILABLE = (
    Settled.ENQUEUED, Settled.ALREADY, Settled.LOST, Settled.NOT_SENT, Settled.UNAVAILABLE
)  # fmt: skip


class Killed(Exception):
    """Ends the process, as far as a test goes."""


@asynccontextmanager
async def opened(
    folder: Path,
    clock: SetClock | None = None,
    *,
    limits: OutboxLimits | None = None,
    may_enter: Callable[[str], bool] = lambda _: True,
    at: Callable[[str], None] = no_fault,
    said: list[str] | None = None,
) -> AsyncIterator[Booking]:
    """Open ledger and outbox; nothing is sent, for nobody runs the outbox."""
    clock = clock or SetClock()
    nowhere = AmqpPublisher(AmqpConnector(parse_amqp_urls("amqp://nowhere.invalid//"), client_name="test"))
    told = said if said is not None else []
    async with Outbox.open(folder / "outbox", nowhere, now=lambda: instant(clock.now_us()), limits=limits) as outbox:
        booking = await Booking.open(folder / "ledger", outbox, clock, may_enter=may_enter, failed=told.append, at=at)
        try:
            yield booking
        finally:
            await booking.close()


def entered(folder: Path) -> list[str]:
    """Give the ids of all messages the outbox was ever given, in order."""
    database = sqlite3.connect(folder / "outbox")
    try:
        return [task_id for (task_id,) in database.execute("SELECT task_id FROM outgoing ORDER BY seq")]
    finally:
        database.close()


def chain(*values: str, field: str = "entry", ledger: Public = LEDGER) -> list[Offer]:
    """Write orders of which each expects what the one before leaves behind."""
    return [
        Offer(Ticket(ledger, field, before, value), amqp_message(f"{field}-{value}", queue="q"))
        for before, value in zip((None, *values), values, strict=False)
    ]


def outcomes(settlements: Sequence[Settlement]) -> list[Settled]:
    return [settlement.outcome for settlement in settlements]


# -- beside the script -------------------------------------------------------------------------------------------------

VALUES = st.sampled_from(["1", "2", "3"])
TICKETS = st.builds(
    Ticket,
    ledger=st.sampled_from([LEDGER, Public("carillon:1:site:feed:adt:x")]),
    field=st.sampled_from(["a", "b"]),
    expect=st.none() | VALUES,
    advance_to=VALUES,
    ttl_s=st.sampled_from([0, 60, 90 * 86_400, 2**63, -(2**63) - 1]),
    not_before_us=st.sampled_from([0, START_US + 10_000, START_US + 30_000, START_US + SECOND_US]),
)
BATCHES = st.lists(st.lists(st.tuples(TICKETS, st.booleans()), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=60)
@given(batches=BATCHES, pause_ms=st.integers(0, 800))
def test_any_orders_end_as_the_claim_script_would_have_it(
    batches: list[list[tuple[Ticket, bool]]], pause_ms: int
) -> None:
    clock = SetClock()
    model = BrokerModel(clock)
    numbers = itertools.count()
    first: dict[tuple[str, str, str], str] = {}

    async def main(folder: Path) -> None:
        async with opened(folder, clock) as booking:
            for batch in batches:
                orders, offers = [], []
                for ticket, has_item in batch:
                    task_id = f"id-{next(numbers)}"
                    item = WorkItem(Public("t"), task_id, queue=Public("q")) if has_item else None
                    orders.append(Order(ticket, item))
                    offers.append(Offer(ticket, amqp_message(task_id, queue="q") if has_item else None))
                settlements = await booking.carry_out(offers)
                assert settlements == model.carry_out(orders)
                for (ticket, item, *_), settlement in zip(orders, settlements, strict=True):
                    if settlement.outcome is ENQUEUED and item is not None:
                        first.setdefault((ticket.ledger, ticket.field, ticket.advance_to), item.task_id)
                clock.advance(pause_ms / 1000)
            for ledger, fields in model.ledgers.items():
                assert booking.read(ledger, ["a", "b"]) == fields
        # A value that a field takes for the second time is the same occurrence or message, and was sent.
        assert entered(folder) == list(first.values())

    with tempfile.TemporaryDirectory() as folder:
        anyio.run(main, Path(folder))


@pytest.mark.parametrize("point", ["outbox.before", "outbox.entered", "ledger.advanced"])
async def test_a_process_that_ends_in_between_carries_out_the_same_orders_once(tmp_path: Path, point: str) -> None:
    def end(passed: str) -> None:
        if passed == point:
            raise Killed

    async with opened(tmp_path, at=end) as booking:
        with pytest.raises(Killed):
            await booking.carry_out(chain("1", "2", "3"))
    async with opened(tmp_path) as booking:
        again = await booking.carry_out(chain("1", "2", "3"))
        assert outcomes(again) == ([LOST, LOST, ALREADY] if point == "ledger.advanced" else [ENQUEUED] * 3)
        assert booking.read(LEDGER, ["entry"]) == {"entry": "3"}
    assert entered(tmp_path) == ["entry-1", "entry-2", "entry-3"]


async def test_what_was_carried_out_is_known_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as booking:
        assert outcomes(await booking.carry_out(chain("1", "2"))) == [ENQUEUED, ENQUEUED]
    async with opened(tmp_path) as booking:
        # The last holds; of the one before only that another value is there.
        assert outcomes(await booking.carry_out(chain("1", "2"))) == [LOST, ALREADY]
        assert (await booking.carry_out(chain("3")))[0] == Settlement(LOST, "2", START_US)
    assert entered(tmp_path) == ["entry-1", "entry-2"]


# -- where it does not work --------------------------------------------------------------------------------------------


async def test_an_outbox_without_room_takes_nothing_out_of_turn(tmp_path: Path) -> None:
    said: list[str] = []
    offers = chain("1", "2", "3", "4")
    async with opened(tmp_path, limits=OutboxLimits(messages=2), said=said) as booking:
        assert outcomes(await booking.carry_out(offers)) == [ENQUEUED, ENQUEUED, NOT_SENT, NOT_SENT]
        assert booking.read(LEDGER, ["entry"]) == {"entry": "2"}
    assert "holds as much as it may" in said[0]
    async with opened(tmp_path) as booking:
        assert outcomes(await booking.carry_out(offers[2:])) == [ENQUEUED, ENQUEUED]
    assert entered(tmp_path) == ["entry-1", "entry-2", "entry-3", "entry-4"]


async def test_a_large_message_that_finds_no_room_is_not_overtaken_by_a_small_one(tmp_path: Path) -> None:
    large, small = chain("1", "2")
    large = large._replace(message=amqp_message("large", queue="q", args=["x" * 5000]))
    async with opened(tmp_path, limits=OutboxLimits(size_bytes=2000)) as booking:
        assert outcomes(await booking.carry_out([large, small])) == [NOT_SENT, NOT_SENT]
        assert booking.read(LEDGER, ["entry"]) == {}
    assert entered(tmp_path) == []


async def test_a_ledger_that_cannot_be_written_leaves_it_open_and_the_same_orders_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: LedgerFile, advances: Sequence[Advance], at_us: int) -> None:
        del self, advances, at_us
        message = "no room"
        raise LedgerFailed(message)

    said: list[str] = []
    async with opened(tmp_path, said=said) as booking:
        with monkeypatch.context() as broken:
            broken.setattr(LedgerFile, "advance", fail)
            assert outcomes(await booking.carry_out(chain("1", "2"))) == [UNAVAILABLE, UNAVAILABLE]
            assert booking.read(LEDGER, ["entry"]) == {}
        assert outcomes(await booking.carry_out(chain("1", "2"))) == [ENQUEUED, ENQUEUED]
    assert said == ["no room"]
    assert entered(tmp_path) == ["entry-1", "entry-2"]


async def test_orders_that_are_not_ours_to_carry_out_leave_no_trace(tmp_path: Path) -> None:
    feed = Public("carillon:1:site:feed:adt:x")
    offers = [*chain("1"), *chain("9", field="seq", ledger=feed)]
    async with opened(tmp_path, may_enter=lambda ledger: ledger == feed) as booking:
        assert outcomes(await booking.carry_out(offers)) == [NOT_SENT, ENQUEUED]
        assert booking.read(LEDGER, ["entry"]) == {}
    assert entered(tmp_path) == ["seq-9"]


async def test_many_callers_share_writes_and_each_gets_its_own_answers(tmp_path: Path) -> None:
    found: dict[int, list[Settlement]] = {}
    passed: list[str] = []
    async with opened(tmp_path, at=passed.append) as booking:

        async def offer(number: int) -> None:
            ledger = Public(f"carillon:1:site:feed:f{number}:x")
            found[number] = await booking.carry_out(chain("1", "2", field=f"s{number}", ledger=ledger))

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(offer, number)
    assert all(outcomes(one) == [ENQUEUED, ENQUEUED] for one in found.values())
    assert len(found) == 50
    assert passed.count("outbox.entered") <= 2
    assert sorted(entered(tmp_path)) == sorted(f"s{number}-{value}" for number in range(50) for value in "12")


async def test_a_caller_that_gives_up_takes_nobody_with_it(tmp_path: Path) -> None:
    found: list[Settlement] = []
    async with opened(tmp_path) as booking, anyio.create_task_group() as tasks:

        async def hasty() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await booking.carry_out(chain("1", field="hasty"))

        async def patient() -> None:
            found.extend(await booking.carry_out(chain("1", field="patient")))

        tasks.start_soon(hasty)
        tasks.start_soon(patient)
    assert outcomes(found) == [ENQUEUED]
    assert "patient-1" in entered(tmp_path)


def test_an_offer_shows_nothing_of_what_a_task_is_given() -> None:
    message = amqp_message("id", queue="q", args=[SECRET], headers={"h": SECRET})
    assert SECRET not in repr(Offer(Ticket(LEDGER, "a", None, "1"), message))


# -- the file ----------------------------------------------------------------------------------------------------------


def test_old_fields_are_forgotten_by_their_age_and_others_never(tmp_path: Path) -> None:
    ledger = LedgerFile(tmp_path / "ledger")
    try:
        ledger.advance([Advance("feed", "seq", "1", 10), Advance("entries", "a", "1", 0)], START_US)
        ledger.advance([Advance("other", "seq", "1", 10)], START_US + 5 * SECOND_US)
        assert ledger.prune(START_US + 10 * SECOND_US) == 0
        assert ledger.prune(START_US + 10 * SECOND_US + 1) == 1
        assert ledger.load()[0] == {("entries", "a"): "1", ("other", "seq"): "1"}
    finally:
        ledger.close()


def test_one_process_uses_a_ledger_at_a_time_and_it_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    first = LedgerFile(path)
    try:
        with pytest.raises(LedgerFailed, match="cannot be used"):
            LedgerFile(path)
    finally:
        first.close()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever its name says" * 20, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_ledger_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(content)
    with pytest.raises(LedgerFailed, match=str(path)):
        LedgerFile(path)


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    LedgerFile(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=9")
    database.close()
    with pytest.raises(LedgerFailed, match="has schema 9, this version knows 1"):
        LedgerFile(path)


# -- handing over ------------------------------------------------------------------------------------------------------

OLD, NEW = {"a": "r:1"}, {"a": "r:2", "b": "r:1"}


@pytest.mark.parametrize(
    ("own", "left", "heir"),
    [
        pytest.param(Estate(0), None, Estate(1), id="the first of all"),
        pytest.param(Estate(0), Estate(4, NEW), Estate(5, NEW), id="a new machine"),
        pytest.param(Estate(2, OLD), Estate(3, NEW), Estate(4, NEW), id="back after another"),
        pytest.param(Estate(3, NEW), Estate(3, OLD), Estate(4, NEW), id="killed before the last was left"),
        pytest.param(Estate(3, NEW), None, Estate(4, NEW), id="the broker has forgotten"),
        pytest.param(Estate(3, NEW), Estate(1, OLD), Estate(4, NEW), id="left by one that was paused"),
    ],
)
def test_who_takes_over_goes_on_from_what_is_newest(own: Estate, left: Estate | None, heir: Estate) -> None:
    assert inherit(own, left) == heir
    assert heir.term > max(own.term, left.term if left is not None else 0)


@given(st.builds(Estate, st.integers(0, 2**40), st.dictionaries(st.text(), st.text())))
def test_what_is_left_is_read_as_it_was_written(estate: Estate) -> None:
    try:
        body = write_estate(estate)
    except TypeError:
        return  # names of a site file have no lone surrogates
    assert read_estate(body) == estate


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"term":"1"}', b'{"term":true,"entries":{}}', b'{"term":1,"entries":{"a":2}}']
)
def test_what_is_not_ours_is_nothing(body: bytes) -> None:
    assert read_estate(body) is None


async def test_a_term_begins_with_a_whole_ledger_and_survives_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as booking:
        await booking.carry_out(
            [*chain("1"), *chain("1", field="gone"), *chain("7", field="seq", ledger=Public("feed"))]
        )
        await booking.adopt(LEDGER, Estate(8, {"entry": "5"}))
        assert booking.estate(LEDGER) == Estate(8, {"entry": "5"})
    async with opened(tmp_path) as booking:
        assert booking.estate(LEDGER) == Estate(8, {"entry": "5"})
        assert booking.read("feed", ["seq"]) == {"seq": "7"}
