"""What is to be done with a stored message."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from daemon.hl7listener.feed import Feed
from daemon.hl7listener.lanes.order import Work, order_after, task_ids, work_of
from daemon.hl7listener.routes.arguments import Arguments, Constant, Form, Pick
from daemon.hl7listener.routes.lane_key import LaneKey
from daemon.hl7listener.spool.rows import Row
from daemon.hl7listener.text.path import parse_path
from daemon.keys import message_id
from daemon.ports import Ring
from daemon.public import Public
from tests.support.builders import adt
from tests.support.clock import START_US
from tests.support.feeds import ADT, feed, route

SITE, LEDGER, QUEUE = Public("site"), Public("ledger"), Public("ward")
PID = parse_path("PID-3.1")
FIRST = message_id(SITE, ADT, "epoch1", 7)


def row(data: bytes | None = None, **values: Any) -> Row:
    return Row(7, "epoch1", ADT, START_US, data or adt("M7"), **values)


def work(of: Feed, data: bytes | None = None, **values: Any) -> Work:
    found = work_of(row(data, **values), of, SITE, START_US)
    assert found is not None
    return found


def message(pid: str) -> bytes:
    return f"MSH|^~\\&|SA|SF|RA|RF|20261122||ADT^A01|M7|P|2.5\rPID|1||{pid}\r".encode()


def lanes(lanes: int = 4, *paths: str, holds: bool = True) -> LaneKey:
    return LaneKey(QUEUE, tuple(map(parse_path, paths)) or (PID,), lanes, holds)


def test_one_route_makes_one_task_with_the_id_of_the_message() -> None:
    [item] = work(feed()).items
    assert item.task_id == FIRST
    assert "M7" not in repr(work(feed()))


def test_several_routes_make_tasks_with_stable_ids_of_their_own() -> None:
    of = feed(*(route(task=Public(f"t{number}"), number=number, goes_on=True) for number in range(3)))
    items = work(of).items
    assert [item.task for item in items] == ["t0", "t1", "t2"]
    assert items[0].task_id == FIRST
    assert len({item.task_id for item in items}) == 3
    assert [item.task_id for item in work(of).items] == [item.task_id for item in items]
    assert all(str(uuid.UUID(item.task_id)) == item.task_id for item in items)
    assert task_ids(row(), of, SITE) == tuple(item.task_id for item in items)


def test_all_tasks_of_a_message_are_one_order() -> None:
    of = feed(*(route(number=number, goes_on=True) for number in range(3)))
    found = work(of)
    order = order_after(6, row(), found, LEDGER)
    assert (order.item, order.more) == (found.items[0], found.items[1:])
    assert (order.ticket.expect, order.ticket.advance_to) == ("6", "7")


def test_tasks_that_ran_are_left_out_of_the_order_and_the_others_keep_their_ids() -> None:
    found = work(feed(*(route(number=number, goes_on=True) for number in range(3))))
    ids = [item.task_id for item in found.items]
    order = order_after(None, row(), found, LEDGER, ran=frozenset((ids[0], ids[2])))
    assert order.item is not None
    assert (order.item.task_id, order.more, order.ticket.expect) == (ids[1], (), None)
    nothing = order_after(None, row(), found, LEDGER, ran=frozenset(ids))
    assert (nothing.item, nothing.more) == (None, ())


def test_a_route_to_an_entry_rings_it_once_for_the_message() -> None:
    of = feed(route(task=None, entry=Public("sync"), goes_on=True), route(number=1))
    found = work(of)
    assert found.rings == (Ring(ADT, Public("sync"), FIRST, START_US),)
    assert [item.task for item in found.items] == ["recording.message"]
    assert len(task_ids(row(), of, SITE)) == 1


def test_messages_of_the_same_window_ring_an_entry_once_at_its_end() -> None:
    window_us = 60_000_000
    of = feed(route(task=None, entry=Public("sync"), entry_window_us=window_us, number=3))
    [one] = work(of).rings
    start_us = START_US // window_us * window_us
    assert one == Ring(ADT, Public("sync"), "adt.3", start_us + window_us)
    for received_us, same in ((start_us, True), (start_us + window_us - 1, True), (start_us + window_us, False)):
        other = work_of(row()._replace(seq=8, received_us=received_us), of, SITE, START_US)
        assert other is not None
        assert (other.rings == (one,)) is same


def test_the_same_key_goes_to_the_same_lane_and_a_queue_never_shows_it() -> None:
    of = feed(route(queue=QUEUE, lane_key=lanes()))
    queues = {pid: [work(of, message(pid)).items[0].queue for _ in range(2)] for pid in map(str, range(100, 200))}
    assert all(first == second for first, second in queues.values())
    assert {queue for pair in queues.values() for queue in pair} == {f"ward.lane-{number}" for number in range(4)}


def test_the_lanes_of_keys_are_the_ones_the_documentation_promises() -> None:
    # As `printf 100 | b2sum -l 64` tells; another hash would break the order of what waits.
    of = feed(route(queue=QUEUE, lane_key=lanes(8)))
    assert [work(of, message(pid)).items[0].queue for pid in ("100", "200", "ÄÖ")] == [
        "ward.lane-6",
        "ward.lane-4",
        "ward.lane-7",
    ]


def test_a_message_without_a_key_goes_to_the_first_lane_and_waits_for_none() -> None:
    found = work(feed(route(queue=QUEUE, lane_key=lanes())), message(""))
    assert (found.items[0].queue, found.keys) == ("ward.lane-0", ())


def test_the_first_path_with_a_value_is_the_key() -> None:
    of = feed(route(queue=QUEUE, lane_key=lanes(256, "PV1-19", "PID-3.1")))
    other = feed(route(queue=QUEUE, lane_key=lanes(256)))
    assert work(of, message("100")).items[0].queue == work(other, message("100")).items[0].queue


def test_only_lanes_that_hold_have_keys_that_wait() -> None:
    assert work(feed(route(queue=QUEUE, lane_key=lanes(), number=2)), message("1")).keys[0][0] == 2
    assert work(feed(route(queue=QUEUE, lane_key=lanes(holds=False))), message("1")).keys == ()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (Constant({"a": [1]}), {"a": [1]}),
        (Pick(parse_path("PID-3.1")), "P1"),
        (Pick(parse_path("PID-44")), None),
        (Pick(parse_path("PID-44"), default=0), 0),
        (Pick(parse_path("PID-3[*].1"), is_list=True), ["P1", "P2"]),
        (Pick(parse_path("ZZZ[*]-1"), is_list=True), []),
        (Pick(parse_path("NTE[*]-1"), Form.INT, -1, is_list=True), [1, -1, 12]),
        (Pick(parse_path("NTE-1"), Form.INT), 1),
        (Pick(parse_path("PID-3.1"), Form.INT), None),
        (Pick(parse_path("PID-7"), Form.DATE), "1990-02-03"),
        (Pick(parse_path("PID-7"), Form.TIMESTAMP), "1990-02-03T04:05"),
        (Pick(parse_path("PID-8"), Form.TIMESTAMP), None),
        (Pick(parse_path("PID-9"), Form.DATE, "?"), "?"),
    ],
)
def test_an_argument_is_what_its_route_says(argument: Constant | Pick, value: object) -> None:
    data = message("P1^^^H~P2").removesuffix(b"\r") + b"||||199002030405|M|1990\rNTE|1\rNTE|x\rNTE|+12\r"
    of = feed(route(arguments=Arguments((argument,), {"name": argument}, "")))
    [item] = work(of, data).items
    assert (list(item.args), dict(item.kwargs)) == ([value], {"name": value})
    assert (item.args_shown, item.kwargs_shown) == ("<an HL7 message, not shown>",) * 2


def test_the_document_can_come_beside_other_arguments() -> None:
    of = feed(route(arguments=Arguments((), {"mrn": Pick(PID)}, "message")))
    kwargs = work(of, message("P1")).items[0].kwargs
    assert (kwargs["mrn"], kwargs["message"]["control_id"]) == ("P1", "M7")


def test_a_message_that_is_damaged_or_has_no_route_any_more_is_no_work() -> None:
    assert work_of(row(is_whole=False), feed(), SITE, START_US) is None
    assert work_of(row(), feed(route(["ORU"])), SITE, START_US) is None
