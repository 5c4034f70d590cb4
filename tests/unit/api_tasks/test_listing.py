"""Lists of tasks, page by page, against all of them looked at one by one."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from daemon.desks.tasks import Listing, Origin, Seen, TaskFilter
from daemon.dispatch import task_listing
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
    return made(listing(state, wanted, before=before, limit=limit, origin_of=origin_of, queue_of=queue_of))


def made(steps: Generator[None, None, Listing]) -> Listing:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: Listing = done.value
            return found


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


@given(STEPS, FILTERS, st.integers(1, 5), st.sampled_from([1, 2, 3, 1_000]), st.sampled_from([0, 20_000]))
def test_pages_hold_each_task_that_fits_once_the_last_changed_first(
    steps: list[tuple[int, str, str, str]], wanted: TaskFilter, limit: int, step: int, near: int
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
        with patch.multiple(task_listing, STEP=step, ID_STEP=step, NEAR=near):
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


def test_a_page_names_no_task_twice_that_changes_while_it_is_made() -> None:
    state = EventState(tasks_limit=10_000)
    state.apply([event(received(f"t{number}", name="app.a")) for number in range(5_000)], AT)
    state.apply([event(received(f"b{number}", name="app.b")) for number in range(5)], AT)
    steps = listing(state, TaskFilter(name="*.b"), before=None, limit=10, origin_of=origin_of, queue_of=queue_of)
    next(steps)
    told = [fields("task-succeeded", f"b{number}", at_s=AT_S + 1) for number in range(5)]
    state.apply([event(one) for one in told], AT)
    state.apply([event(received(f"n{number}", name="app.b")) for number in range(10)], AT)
    one = made(steps)
    assert sorted(seen.task_id for seen, _ in one.items) == [f"b{number}" for number in range(5)]
    assert one.is_complete


def test_no_step_of_a_page_looks_at_more_than_a_thousand_tasks() -> None:
    state = EventState(tasks_limit=10_000)
    state.apply([event(received(f"t{number}", name="app.a")) for number in range(5_000)], AT)
    looked = 0

    def somewhere(_: str) -> str | None:
        nonlocal looked
        looked += 1
        return None

    wanted = TaskFilter(queue="wards")
    for _ in listing(state, wanted, before=None, limit=10, origin_of=origin_of, queue_of=somewhere):
        assert looked <= task_listing.STEP
        looked = 0
