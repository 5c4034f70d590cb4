"""What events make of a worker: alive as Celery judges it, the same whatever the order of its events."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from celery.events.state import HEARTBEAT_DRIFT_MAX, HEARTBEAT_EXPIRE_WINDOW, State, heartbeat_expires
from hypothesis import given
from hypothesis import strategies as st

from shim.events import EventState, Worker
from shim.events.worker import DRIFT_LIMIT_S, FREQ_S, HEARTBEATS_MISSED
from tests.support.event_stream import AT, AT_S, event, fields, received, sent

W1 = "w1@ward"


def heartbeat(at_s: float = AT_S, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "freq": 2.0,
        "active": 1,
        "processed": 9,
        "loadavg": [1.9, 1.41, 0.82],
        "kind": "worker-heartbeat",
    }
    told |= {"sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux", **more}
    return fields(told.pop("kind"), at_s=at_s, **told)


def offline(at_s: float = AT_S, **more: Any) -> dict[str, Any]:
    return heartbeat(at_s, kind="worker-offline", **more)


def heard(*events: tuple[dict[str, Any], float]) -> EventState:
    """Take in events, each with the seconds after which it arrived."""
    state = EventState()
    for one, after_s in events:
        state.apply([event(one)], AT + timedelta(seconds=after_s))
    return state


def worker_of(state: EventState, after_s: float = 0.0, hostname: str = W1) -> Worker:
    found = state.worker(hostname, AT + timedelta(seconds=after_s))
    assert found is not None
    return found


def test_a_heartbeat_gives_every_field() -> None:
    state = heard((heartbeat(AT_S - 1, clock=7, kind="worker-online"), 0), (heartbeat(AT_S + 2, clock=9), 3))
    assert worker_of(state, 4) == Worker(
        hostname=W1, is_alive=True, heard_at=AT + timedelta(seconds=3), online_at=AT - timedelta(seconds=1),
        offline_at=None, active=1, processed=9, loadavg=(1.9, 1.41, 0.82), sw_ident="py-celery", sw_ver="5.7.0",
        sw_sys="Linux", pid=77, freq_s=2.0, utcoffset_h=0.0, drift_s=1.0, is_drifting=False, clock=9,
    )  # fmt: skip


def test_our_limits_are_celerys() -> None:
    assert HEARTBEATS_MISSED == HEARTBEAT_EXPIRE_WINDOW / 100
    assert DRIFT_LIMIT_S == HEARTBEAT_DRIFT_MAX
    assert heartbeat_expires(0) == FREQ_S * HEARTBEATS_MISSED


@pytest.mark.parametrize("freq", [0.5, 2.0, 60, 3600.0])
def test_a_worker_is_alive_until_celery_says_its_heartbeat_expired(freq: float) -> None:
    state = heard((heartbeat(freq=freq), 0))
    ends_s = heartbeat_expires(AT_S, freq) - AT_S
    assert [worker_of(state, ends_s + by).is_alive for by in (-0.001, 0, 0.001)] == [True, False, False]


def test_life_is_judged_by_our_clock_and_the_difference_is_noted() -> None:
    state = heard((heartbeat(AT_S - 100), 0), (heartbeat(AT_S + 50, host="w2"), 0))
    ours = [worker_of(state), worker_of(state, hostname="w2")]
    assert [(one.is_alive, one.drift_s, one.is_drifting) for one in ours] == [(True, 100.0, True), (True, -50.0, True)]
    assert not worker_of(heard((heartbeat(AT_S - 15), 0))).is_drifting


def test_a_worker_that_went_is_dead_at_once_and_stays_listed() -> None:
    state = heard((heartbeat(AT_S), 0), (offline(AT_S + 1), 1))
    assert [(one.hostname, one.is_alive) for one in state.workers(AT + timedelta(seconds=1))] == [(W1, False)]
    assert worker_of(state).offline_at == AT + timedelta(seconds=1)


def test_a_worker_that_came_back_is_alive() -> None:
    state = heard((offline(AT_S + 1), 1), (heartbeat(AT_S + 2, kind="worker-online"), 2))
    assert worker_of(state, 3).is_alive


def test_a_heartbeat_that_arrives_late_does_not_bring_a_worker_back() -> None:
    state = heard((offline(AT_S + 1), 1), (heartbeat(AT_S), 2), (received(at_s=AT_S + 0.5), 2))
    assert not worker_of(state, 2).is_alive


def test_events_of_its_tasks_are_signs_of_life_too() -> None:
    state = heard((heartbeat(freq=2.0), 0), (received(at_s=AT_S + 3), 3))
    assert worker_of(state, 6.9).is_alive
    assert not worker_of(state, 7).is_alive
    assert worker_of(state).active == 1
    unknown = heard((received(), 0))
    assert (worker_of(unknown, 119).is_alive, worker_of(unknown, 120).is_alive) == (True, False)


def test_a_sender_is_no_worker() -> None:
    assert heard((sent(), 0)).workers(AT) == ()


@pytest.mark.parametrize(
    "damaged",
    [
        {"freq": value, "active": "x", "processed": -1, "loadavg": None, "sw_ver": 5, "pid": None, "utcoffset": "x"}
        for value in (0, -1, None, "2", 1e300, True, float("nan"))
    ],
)
def test_a_damaged_field_counts_as_not_told(damaged: dict[str, Any]) -> None:
    found = worker_of(heard((heartbeat(**damaged), 0)))
    told = (found.active, found.processed, found.loadavg, found.sw_ver, found.pid, found.utcoffset_h)
    assert (found.freq_s, *told) == (FREQ_S, None, None, (), None, None, None)


ANY = st.builds(
    lambda kind, at, clock, active: heartbeat(AT_S + at, kind=f"worker-{kind}", clock=clock, active=active),
    st.sampled_from(("online", "heartbeat", "offline", "other")),
    st.integers(0, 4),
    st.integers(0, 3),
    st.integers(0, 2) | st.none(),
)


@given(
    events=st.lists(st.tuples(ANY, st.integers(0, 5)), min_size=1, max_size=8), chance=st.randoms(use_true_random=False)
)
def test_the_same_events_in_any_order_and_any_number_make_the_same_worker(
    events: list[tuple[dict[str, Any], float]], chance: random.Random
) -> None:
    again = [*events, *(chance.choice(events) for _ in range(5))]
    chance.shuffle(again)
    assert worker_of(heard(*again), 5) == worker_of(heard(*events), 5)


@given(st.lists(st.sampled_from(("online", "heartbeat", "offline")), min_size=1, max_size=6), st.integers(0, 8))
def test_told_in_order_a_worker_is_alive_when_it_is_to_celery(kinds: list[str], later: int) -> None:
    state, theirs = EventState(), State()
    for number, kind in enumerate(kinds):
        told = heartbeat(AT_S + number, kind=f"worker-{kind}", freq=2.0, active=number)
        state.apply([event(told)], AT + timedelta(seconds=number))
        theirs.event({**told, "local_received": AT_S + number})
    at_s = len(kinds) - 1 + later
    known = theirs.workers.get(W1)
    alive = bool(known and known.heartbeats and AT_S + at_s < known.heartbeat_expires)
    assert worker_of(state, at_s).is_alive == alive
    assert known is None or (known.active, known.sw_ver) == (worker_of(state).active, worker_of(state).sw_ver)
