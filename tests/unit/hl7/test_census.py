"""What a feed has received, counted by type and route; nothing a sender makes up becomes a label."""

from __future__ import annotations

from daemon.feed_events import Received
from daemon.hl7listener.routes.condition import Condition
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.spool import Arrival
from daemon.hl7listener.wire.census import OTHER, Census, route_names
from daemon.public import Public
from tests.support.builders import adt
from tests.support.feeds import ADT, arrival, feed, route

FEED = feed(
    route(number=0, goes_on=True, task=Public("app.audit")),
    route(number=1, events=["A01"], task=Public("app.admit")),
    route(number=2, events=["A09"], task=None, filters=True),
    route(number=3, task=None, entry=Public("sync"), condition=Condition(words(["O*"]), words(["R01"]))),
)
NAMES = [Public("1 app.audit"), Public("2 app.admit"), Public("4 entry sync")]


def counted(*arrivals: Arrival, is_new: bool = True) -> Received:
    census = Census(FEED)
    for one in arrivals:
        census.note(one, is_new=is_new)
    found = census.take()
    assert found is not None
    assert census.take() is None
    return found


def of(event: str, kind: str = "ADT") -> Arrival:
    return arrival(adt("M1", event=event).replace(b"||ADT^", f"||{kind}^".encode()), FEED)


def test_messages_are_counted_by_type_and_by_every_route_that_wants_them() -> None:
    arrivals = [of("A01"), of("A01"), of("A04"), of("R01", "ORU"), of("R01", "ZZZ")]
    found = counted(*arrivals)
    assert found.kinds == {Public("ADT"): 3, OTHER: 2}
    assert found.routes == {NAMES[0]: 3, NAMES[1]: 2, NAMES[2]: 1}
    assert (found.filtered, found.unrouted) == (0, 1)
    assert found.size_bytes == sum(len(one.data) for one in arrivals)
    assert (found.feed, route_names(FEED)) == (ADT, NAMES)


def test_what_is_filtered_or_wanted_by_no_route_is_counted_apart() -> None:
    only = feed(route(number=0, events=["A09"], task=None, filters=True), route(number=1, events=["A01"]))
    census = Census(only)
    for event in ("A09", "A08", "A01"):
        census.note(arrival(adt(event=event), only), is_new=True)
    census.note(arrival(b"garbage", only), is_new=True)
    found = census.take()
    assert found is not None
    assert (found.filtered, found.unrouted, sum(found.routes.values())) == (1, 1, 1)
    assert found.kinds == {Public("ADT"): 3, OTHER: 1}


def test_a_resend_is_received_and_meets_no_route() -> None:
    found = counted(of("A01"), is_new=False)
    assert (found.kinds, found.routes) == ({Public("ADT"): 1}, {})


def test_the_messages_of_a_batch_count_one_by_one_and_its_bytes_once() -> None:
    carrier = arrival(b"BHS", FEED)._replace(members=(of("A01"), of("A04")))
    found = counted(carrier)
    assert (found.kinds, found.size_bytes) == ({Public("ADT"): 2}, 3)
    assert found.routes == {NAMES[0]: 2, NAMES[1]: 1}
