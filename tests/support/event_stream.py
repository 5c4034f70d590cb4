"""Events as workers send them, made by hand, and what is judged of a state."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shim.events import Event, EventState, Task, Worker, read_message

AT = datetime(2026, 11, 22, tzinfo=UTC)
AT_S = AT.timestamp()
SECRET = "Doe^Jane"
"""What must be seen nowhere."""


def fields(kind: str, task_id: str = "", *, at_s: float = AT_S, host: str = "w1@ward", **more: Any) -> dict[str, Any]:
    """Give an event as Celery writes it."""
    event = {"type": kind, "hostname": host, "utcoffset": 0.0, "pid": 77, "clock": 1, "timestamp": at_s, **more}
    return {**event, "uuid": task_id} if task_id else event


def received(task_id: str = "a", **more: Any) -> dict[str, Any]:
    told = {"name": "app.add", "args": f"('{SECRET}',)", "kwargs": "{}", "root_id": task_id, "parent_id": None}
    return fields("task-received", task_id, **{**told, "retries": 0, "eta": None, "expires": None, **more})


def sent(task_id: str = "a", **more: Any) -> dict[str, Any]:
    told = {"queue": "wards", "exchange": "", "routing_key": "wards", "host": "me@shim"}
    return {**received(task_id, **{**told, **more}), "type": "task-sent"}


def event(given: dict[str, Any]) -> Event:
    """Give the value of an event, past the reader."""
    return Event(given["type"], given["hostname"], given["timestamp"], given.get("uuid", ""), given)


def payload(body: Any, *, encoding: str | None = "base64", content_type: Any = "application/json") -> bytes:
    """Give the message of a channel, as kombu puts it."""
    text = body if isinstance(body, str) else json.dumps(body)
    properties: dict[str, Any] = {
        "delivery_mode": 1,
        "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"},
        "priority": 0,
    }
    properties["delivery_tag"] = "0c7c0a4e-4d43-4b1c-8d3e-7d1c2f0f6f57"
    if encoding == "base64":
        text = base64.b64encode(text.encode()).decode()
    if encoding is not None:
        properties["body_encoding"] = encoding
    whole = {"body": text, "content-encoding": "utf-8", "content-type": content_type}
    return json.dumps({**whole, "headers": {"hostname": "w1@ward"}, "properties": properties}).encode()


def state_of(given: Iterable[dict[str, Any]], at: datetime = AT, **limits: int) -> EventState:
    state = EventState(**limits)
    state.apply([event(one) for one in given], at)
    return state


def task_of(given: Sequence[dict[str, Any]], task_id: str = "a") -> Task:
    found = state_of(given).task(task_id)
    assert found is not None
    return found


def picture(state: EventState, at: datetime = AT) -> tuple[list[Task], list[Worker]]:
    """Give all that events have told, whatever the order they came in."""
    tasks = state.recent(limit=1_000_000).tasks
    return sorted(tasks, key=lambda task: task.task_id), [replace(worker) for worker in state.workers(at)]


def read(body: Any) -> tuple[Event, ...]:
    return read_message(payload(body)).events
