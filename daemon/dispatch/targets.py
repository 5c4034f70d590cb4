"""Targets of more than one task to the messages that start them. Pure: every id follows from the occurrence's.

The last result has the id of the occurrence itself: that of a chain's last task, of a chord's body; of a group it is the id of
the group. Whoever knows the occurrence knows where its result will be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from daemon.clock import instant
from daemon.keys import part_id
from daemon.ports import WorkItem
from daemon.public import Public
from shim.canvas import (
    CanvasPlan,
    CanvasRules,
    Chain,
    Chord,
    Group,
    NestedCanvas,
    Part,
    RouteOf,
    StoreWrite,
    plan_canvas,
)
from shim.canvas.store import chord_size, saved_group
from shim.client.conf import redis_results
from shim.errors import BrokerUrlInvalid, RequestInvalid
from shim.results.keys import ResultKeys
from shim.routing import Routed
from shim.signature import Signature

CHORD_HINT = 'keep results in Redis: [celery] result_backend = "redis://…"'
EXPIRES_S = 86_400


def canvas_rules(conf: Mapping[str, Any]) -> CanvasRules:
    """Read what a workflow needs to know of the application. An address that cannot be is none; others say so."""
    try:
        redis = redis_results(conf)
    except BrokerUrlInvalid:
        redis = None
    keys = None if redis is None else ResultKeys(redis[1].key_prefix)
    return CanvasRules(
        keys,
        expires_s=_seconds(conf.get("result_expires"), EXPIRES_S),
        chord_expires_s=_seconds(conf.get("result_chord_expires"), None),
        signed=conf.get("task_serializer") == "auth",
        save_groups=True,
    )


def starters(item: WorkItem) -> tuple[WorkItem, ...]:
    """Give the tasks whose messages are sent now, as items of their own: what an application's router is asked about."""
    canvas = item.canvas
    if canvas is None:
        return (item,)
    kind = canvas["kind"]
    first = canvas["tasks"][:1] if kind == "chain" else canvas["tasks"] if kind == "group" else canvas["header"]
    return tuple(_starter(item, part) for part in first)


def plan_target(
    item: WorkItem,
    *,
    route: Callable[[WorkItem, Mapping[str, Any]], Routed],
    rules: CanvasRules,
    at: datetime,
    routed: Sequence[Routed] | None = None,
) -> tuple[CanvasPlan, tuple[Routed, ...]]:
    """Decide what is sent for an item with a canvas; give the plan and where each of its messages goes.

    Args:
        item: what to run.
        route: finds where a starter goes, given what its options say of it.
        rules: from ``canvas_rules``.
        at: now, aware.
        routed: where the starters go, in their order, if the application was asked.

    Raises:
        RequestInvalid: no worker could take it, or this site cannot send it.
    """
    assert item.canvas is not None  # whoever has none needs no plan
    turns = iter(starters(item))
    asked = None if routed is None else iter(routed)
    places: list[Routed] = []

    def route_of(_: str, options: Mapping[str, Any]) -> Routed:
        starter = next(turns)
        places.append(next(asked) if asked is not None else route(starter, options))
        return places[-1]

    plan = _planned(item, route_of, rules, at)
    if isinstance(plan, NestedCanvas):
        hint = "" if rules.result_keys is not None else CHORD_HINT
        message = f"{item.canvas['kind']} of {item.task!r}: cannot be sent from here: {plan.reason}"
        raise RequestInvalid(message, hint=hint)
    if not plan.messages:
        message = f"{item.canvas['kind']} of {item.task!r}: no tasks"
        raise RequestInvalid(message)
    return plan, tuple(places)


def store_of(item: WorkItem, rules: CanvasRules) -> tuple[StoreWrite, ...]:
    """Say what must stand in the result back-end before the messages of an item are pushed: ``CanvasPlan.store`` of its plan."""
    canvas, keys = item.canvas, rules.result_keys
    if canvas is None or keys is None:
        return ()
    if canvas["kind"] == "chord":
        expires_s = rules.expires_s if rules.chord_expires_s is None else rules.chord_expires_s
        return (chord_size(keys, part_id(item.task_id, "header"), len(canvas["header"]), expires_s),)
    if canvas["kind"] == "group":
        members = [part_id(item.task_id, str(place)) for place in range(len(canvas["tasks"]))]
        return (saved_group(keys, item.task_id, members, rules.expires_s),)
    return ()


def _planned(item: WorkItem, route: RouteOf, rules: CanvasRules, at: datetime) -> CanvasPlan | NestedCanvas:
    group_id = item.task_id if item.canvas and item.canvas["kind"] == "group" else part_id(item.task_id, "header")
    return plan_canvas(_part(item), route=route, new_id=lambda: group_id, at=at, rules=rules)


def _part(item: WorkItem) -> Part:
    canvas = item.canvas
    assert canvas is not None
    if canvas["kind"] == "chord":
        header = [
            _signature(item, part, f"header {place}", is_first=True) for place, part in enumerate(canvas["header"])
        ]
        return Chord(header, _signature(item, canvas["body"], None, is_first=False))
    if canvas["kind"] == "group":
        return Group([_signature(item, part, str(place), is_first=True) for place, part in enumerate(canvas["tasks"])])
    last = len(canvas["tasks"]) - 1
    return Chain(
        [
            _signature(item, part, None if place == last else str(place), is_first=place == 0)
            for place, part in enumerate(canvas["tasks"])
        ]
    )


def _signature(item: WorkItem, part: Mapping[str, Any], place: str | None, *, is_first: bool) -> Signature:
    """Write one task; what its options leave open, those of the entry say."""
    own = part.get("options") or {}
    usual: dict[str, Any] = {
        "queue": item.queue,
        "priority": item.priority,
        "time_limit": item.time_limit_s,
        "soft_time_limit": item.soft_time_limit_s,
    }
    if is_first and item.expires_at_us is not None:
        usual["expires"] = instant(
            item.expires_at_us
        )  # of what waits for a worker now; later steps begin when they are sent
    options = {name: value for name, value in {**usual, **own}.items() if value is not None}
    headers = {**item.headers, **(own.get("headers") or {})}
    if headers:
        options["headers"] = headers
    if is_first and item.args_shown is not None:
        options["argsrepr"] = repr(tuple(part.get("args") or ()))
    if is_first and item.kwargs_shown is not None:
        options["kwargsrepr"] = repr(dict(part.get("kwargs") or {}))
    options["task_id"] = item.task_id if place is None else part_id(item.task_id, place)
    immutable = bool(part.get("immutable", False))
    return Signature(part["task"], part.get("args") or (), part.get("kwargs") or {}, options, immutable)


def _starter(item: WorkItem, part: Mapping[str, Any]) -> WorkItem:
    own = part.get("options") or {}
    queue = own.get("queue")
    return item._replace(
        task=Public(part["task"]),
        args=part.get("args") or (),
        kwargs=part.get("kwargs") or {},
        queue=item.queue if queue is None else Public(queue),
        priority=own.get("priority", item.priority),
        canvas=None,
    )


def _seconds(value: Any, default: Any) -> Any:
    """Read a time of Celery's settings: seconds or text of them; 0 keeps for ever."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return int(value)
