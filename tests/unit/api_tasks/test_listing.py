"""Lists of tasks, page by page, against all of them looked at one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from daemon.desks.tasks import Listing, Origin, Seen, TaskFilter
from daemon.dispatch.task_listing import listing
from daemon.dispatch.task_values import seen_of
from shim.events import EventState
from tests.support.event_stream import AT_S, event, fields, received, state_of

AT = datetime(2026, 11, 22, tzinfo=UTC)
ORIGINS = {"app.b": Origin("entry", "nightly"), "app.c": Origin("feed", "adt")}


def nowhere(_: str) -> str | None:
    return None


def heard(task_id: str, **told: Any) -> Seen:
    given_args = {"args": None, "kwargs": None, **told}
    record = state_of([received(task_id, **given_args)]).record(task_id)
    assert record is not None
    return seen_of(record, nowhere)


def origin_of(_: str, name: str | None) -> Origin | None:
    return ORIGINS.get(name or "")


def queue_of(name: str) -> str | None:
    return f"q-{name[-1]}"


def page(state: EventState, wanted: TaskFilter, before: int | None, limit: int) -> Listing:
    return listing(state, wanted, before=before, limit=limit, origin_of=origin_of, queue_of=queue_of)


NAMES = st.sampled_from(["app.a", "app.b", "app.c"])
STEPS = st.lists(
    st.tuples(
        st.integers(0, 15),
        NAMES,
        st.sampled_from(["task-received", "task-started", "task-succeeded", "task-failed"]),
        st.sampled_from(["w1@ward", "w2@ward"]),
    ),
    max_size=40,
)
FILTERS = st.builds(
    TaskFilter,
    state=st.none() | st.sampled_from(["RECEIVED", "SUCCESS", "FAILURE"]),
    name=st.none() | st.sampled_from(["app.a", "app.*", "*.b", "nobody", "app.[ab]"]),
    queue=st.none() | st.sampled_from(["q-a", "q-z"]),
    worker=st.none() | st.sampled_from(["w1@ward"]),
    since=st.none() | st.just(datetime.fromtimestamp(AT_S + 10, UTC)),
    id_prefix=st.sampled_from(["", "t1", "t"]),
    origin=st.sampled_from(["", "entry", "entry:nightly", "entry:other", "feed", "other"]),
)


def fits(seen: Seen, wanted: TaskFilter, last_s: float) -> bool:
    origin = origin_of(seen.task_id, seen.name)
    kind = origin.kind if origin is not None else "other"
    return (
        wanted.state in (None, seen.state)
        and (wanted.name is None or fnmatchcase(seen.name or "", wanted.name))
        and wanted.queue in (None, seen.queue)
        and wanted.worker in (None, seen.worker)
        and (wanted.since is None or last_s >= wanted.since.timestamp())
        and seen.task_id.startswith(wanted.id_prefix)
        and wanted.origin in ("", kind, f"{kind}:{origin.name if origin is not None else ''}")
    )


@given(STEPS, FILTERS, st.integers(1, 5))
def test_pages_hold_each_task_that_fits_once_the_last_changed_first(
    steps: list[tuple[int, str, str, str]], wanted: TaskFilter, limit: int
) -> None:
    state = EventState()
    names: dict[str, str] = {}
    last_s: dict[str, float] = {}
    for number, (task, name, kind, worker) in enumerate(steps):
        task_id = f"t{task}"
        name = names.setdefault(task_id, name)  # noqa: PLW2901 - a task keeps its name
        told = fields(kind, task_id, at_s=AT_S + number, host=worker, name=name)
        state.apply([event(told)], AT)
        last_s[task_id] = AT_S + number
    everything = [seen_of(record, queue_of) for record in state.records()]
    expected = [seen.task_id for seen in everything if fits(seen, wanted, last_s[seen.task_id])]
    found: list[str] = []
    before: int | None = None
    for _ in range(100):
        one = page(state, wanted, before, limit)
        found += [seen.task_id for seen, _ in one.items]
        assert len(one.items) <= limit
        if one.next is None:
            break
        before = one.next
    assert found == expected


def test_a_search_that_ends_early_says_so_and_goes_on() -> None:
    state = EventState(tasks_limit=30_000)
    state.apply([event(received(f"t{number}", name="app.a")) for number in range(25_000)], AT)
    state.apply([event(received("first", name="app.a"))], AT)
    looked, before = 0, None
    while True:
        one = page(state, TaskFilter(queue="nowhere"), before, 10)
        looked += 1
        assert one.items == []
        if one.next is None:
            break
        assert not one.is_complete
        before = one.next
    assert looked == 3


def test_a_list_says_how_far_back_it_goes() -> None:
    state = EventState(tasks_limit=2)
    assert page(state, TaskFilter(), None, 10).kept_since is None
    state.close_gap(AT)
    assert page(state, TaskFilter(), None, 10).kept_since == AT
    for number in range(3):
        for told in (received(f"t{number}"), fields("task-succeeded", f"t{number}", at_s=AT_S + 60 + number)):
            state.apply([event(told)], AT)
    one = page(state, TaskFilter(), None, 10)
    assert (one.forgotten, one.total) == (1, 2)
    assert one.kept_since == datetime.fromtimestamp(AT_S + 61, UTC)
