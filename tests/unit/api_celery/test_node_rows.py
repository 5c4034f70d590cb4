"""Workers as pages show them, from what they said and what was heard of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.desks import NodeState, RegisteredTask
from daemon.dispatch.node_rows import Known, node_detail, node_rows, registered_tasks, versions_of
from shim.control import Answers
from shim.events import Worker

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEARD = Worker(
    hostname="w1",
    is_alive=True,
    heard_at=AT,
    online_at=AT,
    offline_at=None,
    active=1,
    processed=9,
    loadavg=(0.5,),
    sw_ident="py-celery",
    sw_ver="5.7.0",
    sw_sys="Linux",
    pid=7,
    freq_s=2.0,
    utcoffset_h=0.0,
    drift_s=-0.2,
    is_drifting=False,
    clock=3,
)
NOTHING = Known((), {}, {}, frozenset())


def heard(**changes: Any) -> Worker:
    return replace(HEARD, **changes)


def known(*workers: Worker, needed: frozenset[str] = frozenset()) -> Known:
    return Known(workers, {"w1": 4}, {}, needed)


def answers(method: str, **said: Any) -> dict[str, Answers]:
    return {method: Answers(by_node=said)}


@pytest.mark.parametrize(
    ("worker", "expected"),
    [
        (heard(), NodeState.ONLINE),
        (heard(is_alive=False), NodeState.SILENT),
        (heard(is_alive=False, heard_at=AT - timedelta(minutes=11)), NodeState.OFFLINE),
        (heard(is_alive=False, offline_at=AT), NodeState.OFFLINE),
        (heard(is_alive=False, offline_at=AT - timedelta(hours=1)), NodeState.SILENT),
        (heard(is_alive=False, heard_at=None), NodeState.OFFLINE),
    ],
)
def test_the_state_of_a_silent_worker_follows_from_what_was_heard(worker: Worker, expected: NodeState) -> None:
    [row] = node_rows({}, known(worker), AT)
    assert row.state is expected


def test_who_answers_is_online_whatever_was_heard() -> None:
    [row] = node_rows(answers("stats", w1={"pid": 1}), known(heard(is_alive=False, offline_at=AT)), AT)
    assert (row.state, row.heard_at, row.failed, row.celery) == (NodeState.ONLINE, AT, 4, "5.7.0")


def test_a_worker_nobody_else_could_stand_in_for_is_required() -> None:
    queues = answers("active_queues", w1=[{"name": "a"}, {"name": "b"}], w2=[{"name": "b"}, {"name": "c"}])
    rows = node_rows(queues, known(needed=frozenset("ab")), AT)
    assert [(row.name, row.required_for) for row in rows] == [("w1", ("a",)), ("w2", ())]


@pytest.mark.parametrize("said", [None, 7, "text", [], {}, {"pool": 3, "rusage": [], "total": "x"}, [None, {"id": 1}]])
def test_nothing_a_worker_says_breaks_a_page(said: Any) -> None:
    methods = ("stats", "active_queues", "registered", "active", "reserved", "scheduled", "revoked")
    given = {method: Answers(by_node={"w1": said}) for method in methods}
    [row] = node_rows(given, NOTHING, AT)
    assert node_detail("w1", row, given, AT).node is row


def test_rate_limits_and_versions_are_read_from_texts() -> None:
    assert registered_tasks(["b [rate_limit=10/m]", "a", "c [exchange=x rate_limit=1/s]", 3]) == (
        RegisteredTask("a", None),
        RegisteredTask("b", "10/m"),
        RegisteredTask("c", "1/s"),
    )
    report = {"ok": "software -> celery:5.4.0 (opalescent) kombu:5.4.2"}
    assert versions_of(Answers(by_node={"w1": report, "w2": {"ok": "none"}, "w3": 1})) == {"w1": "5.4.0"}
