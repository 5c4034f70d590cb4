"""Tasks and workers with Flower's keys; what a caller may not see is masked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import orjson

from daemon.api.http.caller import Caller
from daemon.desks import FlowerTask

MASK = "(masked)"
"""Stands for what the caller may not see."""

Stored = Mapping[str, tuple[str | None, str | None]]
_OPTIONS = orjson.OPT_NON_STR_KEYS
_CONTENTS = ("args", "kwargs")
_HELD = ("active", "reserved", "scheduled")


def sees_contents(caller: Caller, show_tasks: Sequence[str]) -> Callable[[str | None], bool]:
    """Make a test of whether the caller sees what a task of a name was called with.

    Whose patient a task is about Flower's interface does not know, so a token for some feeds alone sees none.
    """
    if caller.may_see(""):
        return lambda _: True
    return lambda name: name is not None and any(fnmatchcase(name, glob) for glob in show_tasks)


def task_row(
    task: FlowerTask, *, is_open: bool, stored: tuple[str | None, str | None] = (None, None)
) -> dict[str, Any]:
    """Write a task with all of Flower's keys but ``worker``, which stands there only if there is one."""
    result, traceback = stored
    found: dict[str, Any] = {
        "uuid": task.uuid,
        "name": task.name,
        "state": task.state,
        "received": task.received,
        "sent": task.sent,
        "started": task.started,
        "rejected": task.rejected,
        "succeeded": task.succeeded,
        "failed": task.failed,
        "retried": task.retried,
        "revoked": task.revoked,
        "args": _shown(task.args, is_open=is_open),
        "kwargs": _shown(task.kwargs, is_open=is_open),
        "eta": task.eta,
        "expires": task.expires,
        "retries": task.retries,
        "result": _shown(result, is_open=is_open),
        "exception": _shown(task.exception, is_open=is_open),
        "timestamp": task.timestamp,
        "runtime": task.runtime,
        "traceback": _shown(traceback, is_open=is_open),
        "exchange": task.exchange,
        "routing_key": task.routing_key,
        "clock": task.clock,
        "client": task.client,
        "root": task.root_id,
        "root_id": task.root_id,
        "parent": task.parent_id,
        "parent_id": task.parent_id,
        "children": list(task.children),
    }
    if task.worker is not None:
        found["worker"] = task.worker
    return found


def task_rows(tasks: Iterable[FlowerTask], sees: Callable[[str | None], bool], stored: Stored) -> bytes:
    """Write a list of tasks as Flower does: an object, by id, in order. Written in pieces, for there may be thousands."""
    pieces = []
    for task in tasks:
        row = task_row(task, is_open=sees(task.name), stored=stored.get(task.uuid, (None, None)))
        pieces.append(orjson.dumps(task.uuid) + b": " + orjson.dumps(row, option=_OPTIONS))
    return b"{" + b", ".join(pieces) + b"}\n"


def worker_row(told: Mapping[str, Any], sees: Callable[[str | None], bool]) -> dict[str, Any]:
    """Write what a worker told; arguments of tasks are masked, those in its own schedule too."""
    found = dict(told)
    for kind in _HELD:
        if isinstance(found.get(kind), list):
            found[kind] = [_held(one, sees) for one in found[kind]]
    conf = found.get("conf")
    if isinstance(conf, dict):
        found["conf"] = {name: _setting(name, value, sees) for name, value in conf.items()}
    return found


def _held(row: Any, sees: Callable[[str | None], bool]) -> Any:
    if not isinstance(row, dict):
        return row
    if isinstance(row.get("request"), dict):
        return {**row, "request": _held(row["request"], sees)}
    if sees(row.get("name")):
        return row
    return {**row, **{name: MASK for name in _CONTENTS if name in row}}


def _setting(name: str, value: Any, sees: Callable[[str | None], bool]) -> Any:
    if name.casefold() not in ("beat_schedule", "celerybeat_schedule") or not isinstance(value, dict):
        return value
    return {entry: _scheduled(one, sees) for entry, one in value.items()}


def _scheduled(entry: Any, sees: Callable[[str | None], bool]) -> Any:
    if not isinstance(entry, dict):
        return MASK
    if sees(entry.get("task")):
        return entry
    return {**entry, **{name: MASK for name in _CONTENTS if name in entry}}


def _shown(text: str | None, *, is_open: bool) -> str | None:
    return text if is_open or text is None else MASK
