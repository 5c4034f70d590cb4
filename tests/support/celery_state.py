"""Celery's own receiver and state of events, which ours is held to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import states
from celery.events.state import State

from shim.events import Task
from tests.support.following import listeners, wait_until
from tests.support.valkey import ValkeyServer

SAME = {
    "name": "name", "state": "state", "args": "args", "kwargs": "kwargs", "retries": "retries", "exception": "exception",
    "exchange": "exchange", "routing_key": "routing_key", "root_id": "root_id", "parent_id": "parent_id",
    "client": "client", "clock": "clock",
}  # fmt: skip
INSTANTS = ("sent", "received", "started", "succeeded", "failed", "retried", "revoked", "rejected")


@contextmanager
def celery_following(app: Any, server: ValkeyServer) -> Iterator[State]:
    """Run Celery's own receiver and state in a thread; give the state once it listens."""
    state = State()
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": state.event}, app=app)
        before = listeners(server)
        thread = threading.Thread(target=receiver.capture, kwargs={"wakeup": False})
        thread.start()
        try:
            wait_until(lambda: listeners(server) > before, "listener")
            yield state
        finally:
            receiver.should_stop = True
            thread.join()


def celery_task(events: Sequence[dict[str, Any]], task_id: str = "a") -> Any:
    """Give Celery's own picture of a task."""
    state = State()
    for one in events:
        state.event({**one, "local_received": one["timestamp"]})
    return state.tasks[task_id]


def same_as_celery(mine: Task, theirs: Any) -> None:
    """Compare field by field what both have."""
    for ours, name in SAME.items():
        if ours == "clock" and mine.clock == 0:
            continue  # of a task no worker told of Celery shows the reader's own clock
        assert getattr(mine, ours) == getattr(theirs, name), ours
    for name in INSTANTS:
        at, at_s = getattr(mine, f"{name}_at"), getattr(theirs, name)
        assert (at is None) == (at_s is None), name
        assert at is None or abs(at.timestamp() - at_s) < 0.000_002, name
    assert mine.state_at is not None
    assert mine.runtime_s == (theirs.runtime if mine.succeeded_at else None)
    assert mine.worker == (theirs.worker.hostname if theirs.worker else None)
    assert mine.is_finished == (theirs.state in states.READY_STATES)
