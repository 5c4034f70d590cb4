"""The whole picture: bounded, counted, asked in bounded time, followed by cursors, honest about what was missed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim.errors import RequestInvalid
from shim.events import EventState, Fault, Gap, Reading, Task
from shim.events.state import GAPS_LIMIT, SCAN_LIMIT
from tests.support.event_stream import AT, AT_S, event, fields, received, sent, state_of

Given = dict[str, Any]


def done(task_id: str, at_s: float = AT_S + 1) -> Given:
    return fields("task-succeeded", task_id, at_s=at_s, runtime=0.5)


def ids(tasks: tuple[Task, ...]) -> list[str]:
    return [task.task_id for task in tasks]


def known(state: EventState) -> set[str]:
    return set(ids(state.recent(limit=10**6).tasks))


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_the_finished_task_that_changed_longest_ago_is_forgotten_first() -> None:
    state = state_of([received("running"), *(one for n in "abcd" for one in (received(n), done(n)))], tasks_limit=4)
    assert known(state) == {"running", "b", "c", "d"}
    state.apply([event(fields("task-started", "b")), event(received("new"))], AT)
    assert known(state) == {"running", "b", "d", "new"}, "b has changed since"
    assert (state.tasks_count, state.forgotten_tasks) == (4, 2)


def test_tasks_that_never_finish_do_not_drive_out_all_others() -> None:
    """Their last event may have been lost, and then nothing will ever end them."""
    state = state_of([received("a"), done("a"), *(received(f"lost-{n}") for n in range(100))], tasks_limit=8)
    assert known(state) == {"a", *(f"lost-{n}" for n in range(93, 100))}
    for name in "bcdef":
        state.apply([event(received(name)), event(done(name))], AT)
    assert known(state) == {"d", "e", "f", *(f"lost-{n}" for n in range(95, 100))}


def test_without_a_finished_task_the_one_that_changed_longest_ago_is_forgotten() -> None:
    state = state_of([received("a"), received("b"), fields("task-started", "a")], tasks_limit=2)
    assert ids(state.recent().tasks) == ["a", "b"]
    state.apply([event(received("c"))], AT)
    assert ids(state.recent().tasks) == ["c", "a"]


def test_one_task_and_one_worker_are_enough_room() -> None:
    state = state_of([one for n in "abc" for one in (received(n, host=n), done(n))], tasks_limit=1, workers_limit=1)
    assert (known(state), [one.hostname for one in state.workers(AT)]) == ({"c"}, ["w1@ward"])


def test_a_task_that_was_forgotten_begins_anew() -> None:
    state = state_of([received("a"), done("a"), received("b"), done("b")], tasks_limit=1)
    state.apply([event(done("a"))], AT)
    task = state.task("a")
    assert task is not None
    assert (task.state, task.name) == ("SUCCESS", None)


def test_the_worker_not_heard_for_longest_is_forgotten() -> None:
    beats = [fields("worker-heartbeat", host=host) for host in ("a", "b", "a", "c")]
    state = state_of(beats, workers_limit=2)
    assert [one.hostname for one in state.workers(AT)] == ["a", "c"]
    assert state.forgotten_workers == 1


@pytest.mark.parametrize("limits", [{"tasks_limit": 0}, {"workers_limit": 0}])
def test_no_room_at_all_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(RequestInvalid, match="at least 1"):
        EventState(**limits)


# -- counts ------------------------------------------------------------------------------------------------------------

KINDS = ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "progress")
STREAM = st.lists(
    st.builds(
        lambda kind, number, host, name, at: (
            {**fields(f"task-{kind}", f"t{number}", at_s=AT_S + at), "hostname": host}
            | ({"name": name} if kind in ("sent", "received") else {})
        ),
        st.sampled_from(KINDS),
        st.integers(0, 8),
        st.sampled_from(("w1", "w2")),
        st.sampled_from(("app.a", "app.b", "")),
        st.integers(0, 5),
    ),
    max_size=60,
)


QUESTIONS: tuple[dict[str, Any], ...] = (
    {"state": "SUCCESS"}, {"name": "app.a"}, {"worker": "w1"}, {"state": "STARTED", "worker": "w2"}, {"name": "nobody's"},
)  # fmt: skip


@given(events=STREAM, room=st.integers(1, 10))
def test_counts_and_pools_agree_with_the_tasks_themselves(events: list[Given], room: int) -> None:
    state = state_of(events, tasks_limit=room)
    every = state.recent(limit=100)
    assert every.is_complete
    assert len(every.tasks) == state.tasks_count <= room
    assert state.counts_by_state() == Counter(task.state for task in every.tasks)
    assert state.counts_by_name() == Counter(task.name for task in every.tasks if task.name)
    assert state.counts_by_worker() == Counter(task.worker for task in every.tasks if task.worker)
    assert state.tasks_count + state.forgotten_tasks >= len({one["uuid"] for one in events})
    for asked in QUESTIONS:
        wanted = [task for task in every.tasks if all(getattr(task, key) == value for key, value in asked.items())]
        assert list(state.recent(**asked).tasks) == wanted


# -- questions ---------------------------------------------------------------------------------------------------------


def test_recent_tasks_come_last_changed_first_and_say_if_there_are_more() -> None:
    state = state_of([received(name) for name in "abcd"] + [done("b")])
    assert ids(state.recent().tasks) == ["b", "d", "c", "a"]
    assert [(ids(page.tasks), page.is_complete) for page in (state.recent(limit=2), state.recent(limit=4))] == [
        (["b", "d"], False),
        (["b", "d", "c", "a"], True),
    ]
    assert ids(state.recent(state="RECEIVED", limit=2).tasks) == ["d", "c"]


def test_what_nobody_has_gives_an_empty_page() -> None:
    page = state_of([received()]).recent(state="FAILURE", name="other", worker="nobody")
    assert (page.tasks, page.is_complete) == ((), True)


def test_a_question_looks_at_a_bounded_number_of_tasks_and_says_so() -> None:
    first = received("first", host="rare")
    many = [received(f"t{n}", name="common") for n in range(SCAN_LIMIT)]
    state = state_of([received("x", name="common", host="rare"), first, *many], tasks_limit=SCAN_LIMIT + 10)
    assert ids(state.recent(worker="rare").tasks) == ["first", "x"], "the smallest pool is asked"
    both = state_of([done("old"), *many, *(done(f"t{n}") for n in range(SCAN_LIMIT))], tasks_limit=SCAN_LIMIT + 10)
    assert both.recent(state="SUCCESS", name="other").is_complete
    page = both.recent(limit=SCAN_LIMIT + 10)
    assert (len(page.tasks), page.is_complete) == (SCAN_LIMIT, False)


def test_nothing_is_known_of_whom_no_event_told() -> None:
    state = EventState()
    assert (state.task("a"), state.worker("w", AT), state.workers(AT), state.tasks_count) == (None, None, (), 0)


# -- changes -----------------------------------------------------------------------------------------------------------


def test_a_follower_gets_each_task_once_as_it_stands_now() -> None:
    state = state_of([received("a"), received("b")])
    first = state.changes(0, AT)
    assert (ids(first.tasks), [one.hostname for one in first.workers], first.is_complete) == (
        ["b", "a"],
        ["w1@ward"],
        True,
    )
    assert state.changes(first.cursor, AT).tasks == ()
    state.apply([event(one) for one in (fields("task-started", "a"), done("a"), received("c", host="w2"))], AT)
    later = state.changes(first.cursor, AT)
    assert [(task.task_id, task.state) for task in later.tasks] == [("c", "RECEIVED"), ("a", "SUCCESS")]
    assert [one.hostname for one in later.workers] == ["w2"]


def test_a_follower_that_fell_behind_gets_the_latest_and_is_told() -> None:
    state = state_of([received(f"t{n}") for n in range(10)])
    late = state.changes(0, AT, limit=3)
    assert (ids(late.tasks), late.is_complete) == (["t9", "t8", "t7"], False)
    assert state.changes(state.cursor, AT, limit=3).is_complete
    assert state.changes(0, AT, limit=10).is_complete


@given(events=STREAM, pauses=st.sets(st.integers(0, 60)))
def test_followed_from_cursor_to_cursor_the_picture_is_whole(events: list[Given], pauses: set[int]) -> None:
    state = EventState()
    seen: dict[str, Task] = {}
    cursor = 0
    for number, one in enumerate(events):
        state.apply([event(one)], AT)
        if number in pauses:
            changes = state.changes(cursor, AT)
            cursor = changes.cursor
            seen |= {task.task_id: task for task in changes.tasks}
    seen |= {task.task_id: task for task in state.changes(cursor, AT).tasks}
    assert seen == {task.task_id: task for task in state.recent().tasks}


# -- what was missed ---------------------------------------------------------------------------------------------------


def at(seconds: int) -> Any:
    return AT + timedelta(seconds=seconds)


def test_a_gap_is_open_until_the_stream_is_listened_to_again() -> None:
    state = EventState()
    state.open_gap(at(0), "before it ever listened")
    assert (state.listening_since_at, state.gaps_count) == (None, 0)
    state.close_gap(at(1))
    assert (state.listening_since_at, list(state.gaps)) == (at(1), [])
    state.open_gap(at(5), "broke")
    state.open_gap(at(6), "broke again")
    assert (state.listening_since_at, list(state.gaps)) == (None, [Gap(at(5), None, "broke")])
    state.close_gap(at(7))
    assert (state.listening_since_at, list(state.gaps)) == (at(7), [Gap(at(5), at(7), "broke")])


def test_a_gap_is_a_change_that_followers_see() -> None:
    state = EventState()
    state.close_gap(at(0))
    before = state.changes(0, AT)
    state.open_gap(at(5), "broke")
    after = state.changes(before.cursor, AT)
    assert after.cursor > before.cursor
    assert (before.gaps_count, after.gaps_count) == (0, 1)


def test_the_latest_gaps_are_kept_and_all_are_counted() -> None:
    state = EventState()
    for number in range(GAPS_LIMIT + 5):
        state.close_gap(at(number))
        state.open_gap(at(number), "broke")
    assert (len(state.gaps), state.gaps_count, state.gaps[0].began_at) == (GAPS_LIMIT, GAPS_LIMIT + 5, at(5))


def test_what_could_not_be_read_is_counted() -> None:
    state = EventState()
    state.take(Reading((event(received()),), (Fault.TYPE, Fault.TYPE)), AT)
    state.take(Reading((), (Fault.BODY,)), AT)
    assert (dict(state.faults), state.events_count) == ({"type": 2, "body": 1}, 1)


def test_events_of_other_groups_are_only_counted() -> None:
    state = state_of([fields("ward-opened"), sent()])
    assert (state.events_count, state.tasks_count, state.workers(AT)) == (2, 1, ())


def test_all_ids_are_there_whatever_became_of_their_tasks() -> None:
    state = state_of([received("a"), received("b"), fields("task-succeeded", "b"), fields("task-failed", "c")])
    assert sorted(state.ids()) == ["a", "b", "c"]
