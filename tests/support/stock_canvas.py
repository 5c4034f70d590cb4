"""Stock Celery as a sender of workflows: what it itself writes for one, caught in this process."""

from __future__ import annotations

import json
import warnings
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from celery import Celery, chain, chord, group
from celery.canvas import Signature as CelerySignature
from kombu.utils.json import dumps

from shim.canvas import Chain, Chord, Group, Part
from shim.signature import Signature

write: Callable[[Any], str] = dumps
"""Writes JSON as kombu's transports do."""

_OWN = frozenset(("argsrepr", "kwargsrepr", "lang", "origin"))


class StockCanvas:
    """A Celery application whose clock stands, whose messages go to memory, and whose chord sizes are written down."""

    def __init__(self, now: datetime, *, routes: Any = None) -> None:
        self.app = Celery("stock", broker="memory://", backend="redis://127.0.0.1:1/0", set_as_current=False)
        self.app.conf.task_routes = routes
        self.app.now = lambda: now
        self._channel = self.app.connection_for_write().channel()
        self._sizes: list[int] = []
        backend = self.app.backend
        backend.on_task_call = lambda *_: {}
        backend.add_pending_result = lambda result, **_: result
        backend.add_pending_results = lambda results, **_: list(results)
        backend.set_chord_size = lambda _, size: self._sizes.append(size)

    def send(self, part: Part, queues: list[str]) -> tuple[list[dict[str, Any]], list[int]]:
        """Have Celery send a workflow; give its messages in readable form, and the sizes of chords it stored."""
        self._sizes.clear()
        for queue in queues:
            self._channel._purge(queue)  # memory is one for all applications of a process
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of error links on a chord, whose meaning may change one day
            self.canvas(part).apply_async()
        found = [self._channel._get(queue) for queue in queues for _ in range(self._channel._size(queue))]
        return readable([write(one).encode() for one in found]), list(self._sizes)

    def canvas(self, part: Part) -> Any:
        """Make Celery's own workflow of ours, with its operators."""
        if isinstance(part, Signature):
            return CelerySignature.from_dict(json.loads(write(part.as_json())), app=self.app)
        if isinstance(part, Group):
            return group([self.canvas(one) for one in part.members], app=self.app)
        if isinstance(part, Chord):
            return chord([self.canvas(one) for one in part.header], self.canvas(part.body), app=self.app)
        assert isinstance(part, Chain)
        steps = [self.canvas(one) for one in part.steps]
        # A chord that goes on has two forms with Celery, of which the operator's is the one a group gets too.
        made = reduce(or_, steps) if isinstance(part.steps[0], Chord) or len(steps) == 1 else chain(steps)
        for link in part.links:
            made.link(self.canvas(link))
        for link in part.error_links:
            made.link_error(self.canvas(link))
        return made


def readable(payloads: list[bytes]) -> list[dict[str, Any]]:
    """Give what counts of messages, each id replaced by the name of its task; every name must be used once."""
    messages = []
    for payload in payloads:
        one = json.loads(payload)
        text = one["body"]
        if one["properties"].get("body_encoding") == "base64":
            text = b64decode(text).decode()
        headers = {key: value for key, value in one["headers"].items() if key not in _OWN}
        messages.append(
            {
                "headers": _lean(headers),
                "queue": one["properties"]["delivery_info"]["routing_key"],
                "priority": one["properties"]["priority"],
                "expiration": one["properties"].get("expiration"),
                "body": json.loads(text),
            }
        )
    names: dict[str, str] = {}
    for message in messages:
        names[message["headers"]["id"]] = message["headers"]["task"]
        names.update(_ids(message["body"]))
        if "group" in message["headers"]:
            names[message["headers"]["group"]] = "the group"
    return sorted((_renamed(one, names) for one in messages), key=lambda one: str(one["headers"]["id"]))


def _lean(headers: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing; zero and false do say something, but for one counter."""
    empty: tuple[Any, ...] = (None, [None, None], {}, [])
    said = {key: value for key, value in headers.items() if not any(value == one for one in empty)}
    return {key: value for key, value in said.items() if (key, value) != ("replaced_task_nesting", 0)}


def _ids(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _ids(item)
        options = value.get("options")
        if isinstance(options, dict) and "task_id" in options and not value["task"].startswith("celery."):
            yield options["task_id"], value["task"]
        if isinstance(options, dict) and "group_id" in options:
            yield options["group_id"], "the group"


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _option(key, item, names) for key, item in value.items() if not _is_celerys(key, item)}
    return names.get(value, value) if isinstance(value, str) else value


def _option(key: str, value: Any, names: dict[str, str]) -> Any:
    if key in ("link", "link_error") and not isinstance(value, list):
        value = [value]
    return _renamed(value, names)


def _is_celerys(key: str, value: Any) -> bool:
    """Say what Celery adds to options and a worker reads as nothing."""
    return key == "reply_to" or (key in ("root_id", "chain") and not value)
