"""How one entry stands in the broker: orders, every answer in every state, and adoption."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.clock import SECOND_US
from daemon.keys import entries_ledger, occurrence_id
from daemon.ports import Order, Settled, Settlement, Ticket
from daemon.public import Public
from daemon.scheduler.evaluate import Verdict, evaluate
from daemon.scheduler.model import CatchUp, CatchUpPolicy, Entry, Horizon, parse_horizon
from daemon.scheduler.standing import Adoption, Move, Standing, adopt, apply, meet, plan_orders
from daemon.scheduler.triggers import Interval

SITE = Public("lab")
LEDGER = entries_ledger(SITE)
SUSPECT_US = 3600 * SECOND_US
MINUTE_US = 60 * SECOND_US
NOBODY: frozenset[str] = frozenset()


def _entry(**changes: Any) -> Entry:
    given: dict[str, Any] = {"name": Public("e"), "task": Public("t"), "trigger": Interval(MINUTE_US), **changes}
    return Entry(**given)


def _standing(at_us: int | None = 0, **changes: Any) -> Standing:
    standing = Standing.of(_entry(**changes), SITE)
    standing.horizon = None if at_us is None else Horizon(standing.revision, at_us)
    return standing


def _text(standing: Standing, at_us: int, runs: int = 0, since_us: int = 0) -> str:
    return f"{standing.revision}:{at_us}:{since_us}:{runs}"


def _orders(standing: Standing, now_us: int, ran: frozenset[str] = NOBODY) -> list[Order]:
    assert standing.horizon is not None
    verdict = evaluate(standing.entry, standing.horizon.at_us, now_us, standing.past)
    return plan_orders(standing, verdict, SITE, now_us, ran=ran)


# -- horizons ----------------------------------------------------------------------------------------------------------


def test_a_horizon_is_written_and_read_back() -> None:
    horizon = Horizon("abc", 123)
    assert parse_horizon(str(horizon)) == horizon == Horizon("abc", 123)
    assert str(horizon) == "abc:123:0:0"
    assert parse_horizon("abc:123:7:2") == Horizon("abc", 123, 7, 2)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "abc:1", "abc:1:2", "abc::0:0", "abc:-1:0:0", "abc:1.5:0:0", "abc:1:2:3:4", "abc:٣:0:0", "abc: 1:0:0"],
)
def test_what_is_not_one_of_our_horizons_is_nothing(text: str) -> None:
    assert parse_horizon(text) is None


def test_a_changed_timing_is_another_revision() -> None:
    assert _entry().revision != _entry(trigger=Interval(2 * MINUTE_US)).revision


def test_changed_arguments_are_the_same_revision() -> None:
    assert _entry().revision == _entry(args=[1], queue=Public("q"), catch_up=CatchUp(CatchUpPolicy.ALL)).revision


# -- orders ------------------------------------------------------------------------------------------------------------


def test_an_order_moves_the_horizon_to_the_occurrence_and_no_earlier_than_it() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    assert order.ticket == Ticket(LEDGER, "e", _text(standing, 0), _text(standing, MINUTE_US, 1), MINUTE_US)


def test_an_occurrence_has_the_same_task_id_everywhere() -> None:
    [order] = _orders(_standing(), MINUTE_US)
    assert order.item is not None
    assert order.item.task_id == occurrence_id(SITE, "e", MINUTE_US)


def test_each_order_of_several_expects_what_the_one_before_leaves() -> None:
    standing = _standing(catch_up=CatchUp(CatchUpPolicy.ALL))
    tickets = [order.ticket for order in _orders(standing, 3 * MINUTE_US)]
    assert [ticket.expect for ticket in tickets] == [_text(standing, at * MINUTE_US, at) for at in (0, 1, 2)]
    assert [ticket.advance_to for ticket in tickets] == [_text(standing, at * MINUTE_US, at) for at in (1, 2, 3)]


def test_occurrences_passed_over_move_the_horizon_without_a_message() -> None:
    standing = _standing(trigger=Interval(5 * MINUTE_US), catch_up=CatchUp(CatchUpPolicy.ONE, SECOND_US))
    [order] = _orders(standing, 10 * MINUTE_US + 30 * SECOND_US)
    assert order.item is None
    assert order.ticket.advance_to == _text(standing, 10 * MINUTE_US)


def test_nothing_to_settle_is_no_order() -> None:
    assert plan_orders(_standing(), Verdict((), None, None, 5), SITE, 0, ran=NOBODY) == []


def test_an_occurrence_known_to_have_run_moves_the_horizon_without_a_message() -> None:
    [order] = _orders(_standing(), MINUTE_US, ran=frozenset((occurrence_id(SITE, "e", MINUTE_US),)))
    assert order.item is None
    assert order.ticket.advance_to == f"{_entry().revision}:{MINUTE_US}:0:1"


def test_an_item_carries_what_the_entry_says() -> None:
    standing = _standing(
        args=[1, "two"],
        kwargs={"three": 3},
        queue=Public("q"),
        priority=4,
        expires_us=5 * MINUTE_US,
        time_limit_s=6.0,
        soft_time_limit_s=5.0,
        headers={"colour": "red"},
    )
    [order] = _orders(standing, MINUTE_US + 7)
    item = order.item
    assert item is not None
    assert (item.task, item.args, item.kwargs, item.queue, item.priority) == ("t", [1, "two"], {"three": 3}, "q", 4)
    assert (item.time_limit_s, item.soft_time_limit_s) == (6.0, 5.0)
    assert item.expires_at_us == MINUTE_US + 7 + 5 * MINUTE_US
    assert (item.args_shown, item.kwargs_shown) == ("(1, 'two')", "{'three': 3}")
    assert item.headers == {"colour": "red", "periodic_task_name": "e", "celery_beat_task": True}


def test_an_entry_may_change_its_periodic_name_but_not_beats_own_mark() -> None:
    standing = _standing(headers={"periodic_task_name": "other", "celery_beat_task": False})
    assert standing.headers == {"periodic_task_name": "other", "celery_beat_task": True}


# -- answers -----------------------------------------------------------------------------------------------------------

OTHER = "000000000000"


@pytest.mark.parametrize(
    ("outcome", "move"),
    [
        (Settled.ENQUEUED, Move.ENQUEUED),
        (Settled.ALREADY, Move.TAKEN),
        (Settled.EARLY, Move.WAIT),
        (Settled.BLOCKED, Move.BLOCKED),
        (Settled.INVALID, Move.INVALID),
        (Settled.NOT_SENT, Move.BROKER_AWAY),
        (Settled.UNAVAILABLE, Move.BROKER_AWAY),
        (Settled.LOST, Move.BROKER_FORGOT),
    ],
)
def test_an_answer_means_a_move(outcome: Settled, move: Move) -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    assert apply(standing, order, Settlement(outcome)) is move


@pytest.mark.parametrize("outcome", [Settled.ENQUEUED, Settled.ALREADY])
def test_an_occurrence_that_is_in_its_queue_moves_the_horizon(outcome: Settled) -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(outcome))
    assert standing.horizon == Horizon(standing.revision, MINUTE_US, runs=1)


@pytest.mark.parametrize(
    "outcome",
    [Settled.EARLY, Settled.BLOCKED, Settled.INVALID, Settled.NOT_SENT, Settled.UNAVAILABLE, Settled.LOST],
    ids=lambda one: one.name,
)
def test_an_occurrence_that_is_not_in_its_queue_leaves_the_horizon(outcome: Settled) -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(outcome))
    assert standing.horizon == Horizon(standing.revision, 0)


def test_a_horizon_further_on_is_taken_over_and_looked_at_again_at_once() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    move = apply(standing, order, Settlement(Settled.LOST, _text(standing, 5 * MINUTE_US)))
    assert move is Move.RETRY_NOW
    assert standing.horizon == Horizon(standing.revision, 5 * MINUTE_US)
    assert standing.suspect_until_us == 0


def test_a_horizon_further_back_makes_what_lies_between_suspect() -> None:
    standing = _standing(5 * MINUTE_US)
    [order] = _orders(standing, 6 * MINUTE_US)
    move = apply(standing, order, Settlement(Settled.LOST, _text(standing, 3 * MINUTE_US)))
    assert move is Move.RETRY_NOW
    assert standing.horizon == Horizon(standing.revision, 3 * MINUTE_US)
    assert standing.suspect_until_us == 5 * MINUTE_US


@pytest.mark.parametrize("found", [f"{OTHER}:60000000", "junk"])
def test_another_timing_supersedes(found: str) -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    assert apply(standing, order, Settlement(Settled.LOST, found)) is Move.SUPERSEDED
    assert standing.is_superseded


def test_an_order_without_an_answer_is_in_doubt_once() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(Settled.UNAVAILABLE))
    apply(standing, order, Settlement(Settled.UNAVAILABLE))
    assert standing.in_doubt == (order.ticket.advance_to,)


def test_an_order_that_was_not_sent_is_in_no_doubt_and_found_carried_out_was_somebody_elses() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(Settled.NOT_SENT))
    assert standing.in_doubt == ()
    assert apply(standing, order, Settlement(Settled.ALREADY)) is Move.TAKEN


def test_an_order_in_doubt_that_was_carried_out_counts_as_ours() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(Settled.UNAVAILABLE))
    assert apply(standing, order, Settlement(Settled.ALREADY)) is Move.ENQUEUED
    assert standing.in_doubt == ()


# -- meeting what the broker remembers ---------------------------------------------------------------------------------


def test_of_several_in_doubt_those_up_to_the_horizon_found_were_enqueued() -> None:
    standing = _standing(catch_up=CatchUp(CatchUpPolicy.ALL))
    for order in _orders(standing, 3 * MINUTE_US):
        apply(standing, order, Settlement(Settled.UNAVAILABLE))
    assert meet(standing, Horizon(standing.revision, 2 * MINUTE_US, runs=2)) == (MINUTE_US, 2 * MINUTE_US)
    assert standing.in_doubt == ()


def test_if_the_horizon_found_is_none_of_those_in_doubt_none_is_known_to_be_enqueued() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(Settled.UNAVAILABLE))
    assert meet(standing, Horizon(standing.revision, 0)) == ()


def test_what_is_suspect_stays_so_when_the_broker_forgets_less_later() -> None:
    standing = _standing(9 * MINUTE_US)
    meet(standing, Horizon(standing.revision, 5 * MINUTE_US))
    standing.horizon = Horizon(standing.revision, 7 * MINUTE_US)
    meet(standing, Horizon(standing.revision, 6 * MINUTE_US))
    assert standing.suspect_until_us == 9 * MINUTE_US


# -- adopting ----------------------------------------------------------------------------------------------------------

NOW_US = 1000 * MINUTE_US


def _adopt(standing: Standing, found: str | None) -> Adoption:
    return adopt(standing, found, NOW_US, SUSPECT_US)


def test_a_new_entry_is_counted_from_now_on_the_brokers_clock() -> None:
    standing = _standing(None)
    assert _adopt(standing, None) == Adoption(
        Order(Ticket(LEDGER, "e", None, _text(standing, NOW_US, since_us=NOW_US)), None)
    )


def test_an_entry_the_broker_knows_goes_on_from_there() -> None:
    standing = _standing(None)
    assert _adopt(standing, _text(standing, MINUTE_US)) == Adoption()
    assert standing.horizon == Horizon(standing.revision, MINUTE_US)


@pytest.mark.parametrize("found", [f"{OTHER}:60000000", "junk"])
def test_a_daemon_that_starts_decides_the_timing_and_counts_it_from_now(found: str) -> None:
    standing = _standing(None)
    assert _adopt(standing, found) == Adoption(
        Order(Ticket(LEDGER, "e", found, _text(standing, NOW_US, since_us=NOW_US)), None)
    )
    assert not standing.is_superseded


@pytest.mark.parametrize("found", [f"{OTHER}:60000000", "junk"])
def test_a_daemon_that_runs_gives_way_to_another_timing(found: str) -> None:
    standing = _standing(MINUTE_US)
    assert _adopt(standing, found) == Adoption()
    assert standing.is_superseded


def test_what_was_in_doubt_is_settled_when_the_broker_is_read_again() -> None:
    standing = _standing()
    [order] = _orders(standing, MINUTE_US)
    apply(standing, order, Settlement(Settled.UNAVAILABLE))
    assert _adopt(standing, _text(standing, MINUTE_US, 1)) == Adoption(None, (MINUTE_US,))


@pytest.mark.parametrize(
    ("age_us", "begins_us", "suspect"),
    [(0, -1, True), (SUSPECT_US - 1, -1, True), (SUSPECT_US, 0, False), (10 * SUSPECT_US, 0, False)],
)
def test_an_entry_the_broker_forgot_goes_on_from_its_last_occurrence_which_is_due_again_if_young(
    age_us: int, begins_us: int, *, suspect: bool
) -> None:
    known_us = NOW_US - age_us
    standing = _standing(known_us)
    adoption = _adopt(standing, None)
    assert adoption.order == Order(Ticket(LEDGER, "e", None, _text(standing, known_us + begins_us)), None)
    assert standing.suspect_until_us == (known_us if suspect else 0)
