"""Messages of Celery's event stream: the bytes a channel delivers, read into events.

Workers send ``worker-*`` events one by one, and ``task-*`` events in arrays (``celery/events/dispatcher.py``). Anyone may
publish on the channel, so nothing here raises: what cannot be read is named, and whatever else is in the message is kept.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Invalid
from binascii import a2b_base64
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

import orjson

PAYLOAD_LIMIT_BYTES = 4 * 1024 * 1024
"""Larger messages are refused unread; a worker's hold 24 events of about 300 bytes."""
EVENTS_LIMIT = 5_000
"""Events taken from one message; reading it blocks the loop."""
NAME_LIMIT = 255
"""Characters in a host name, a task id, or the type of an event."""
LATEST_S = 253_402_300_799.0
"""The end of the year 9999, the last a ``datetime`` can hold."""


class Fault(Enum):
    """What was wrong with a message, or with one event of it."""

    TOO_LARGE = "too-large"
    NOT_AN_ENVELOPE = "not-an-envelope"
    """Neither JSON nor an object with a body."""
    CONTENT_TYPE = "content-type"
    """Another serializer than JSON (``event_serializer``)."""
    BODY = "body"
    """Neither base64 nor JSON, though it should be."""
    NOT_EVENTS = "not-events"
    """The body is neither an object nor an array."""
    TOO_MANY = "too-many"
    """More events in one message than are taken from one."""
    NOT_AN_EVENT = "not-an-event"
    TYPE = "type"
    HOSTNAME = "hostname"
    TIMESTAMP = "timestamp"
    TASK_ID = "task-id"


class Event(NamedTuple):
    """One event; its representation shows no field of a task but the id.

    Attributes:
        kind: Celery's type, such as ``task-received`` or ``worker-heartbeat``.
        hostname: node that sent it.
        at_s: when, on the clock of that node; seconds since the epoch.
        task_id: the task it is about; empty unless ``kind`` begins with ``task-``.
        fields: everything that was sent. May hold arguments and exceptions of tasks, so it is for reading only.
    """

    kind: str
    hostname: str
    at_s: float
    task_id: str
    fields: Mapping[str, object]

    def __repr__(self) -> str:
        """Show what happened to whom, and nothing it holds."""
        return f"Event({self.kind!r}, {self.hostname!r}, {self.at_s!r}, {self.task_id!r})"


_new = tuple.__new__
"""Makes a named tuple in half the time its own constructor takes."""


class Reading(NamedTuple):
    """What was in a message: its events in order, and what could not be read."""

    events: tuple[Event, ...]
    faults: tuple[Fault, ...] = ()


def read_message(payload: bytes) -> Reading:
    """Read one message of the channel; never raises."""
    if len(payload) > PAYLOAD_LIMIT_BYTES:
        return Reading((), (Fault.TOO_LARGE,))
    body = _body(payload)
    if isinstance(body, Fault):
        return Reading((), (body,))
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = _tolerant(body)
        if isinstance(found, Fault):
            return Reading((), (found,))
    if type(found) is dict:
        found = [found]
    elif type(found) is not list:
        return Reading((), (Fault.NOT_EVENTS,))
    if len(found) > EVENTS_LIMIT:
        reading = _events(found[:EVENTS_LIMIT])
        return Reading(reading.events, (*reading.faults, Fault.TOO_MANY))
    return _events(found)


def _body(payload: bytes) -> bytes | Fault:
    try:
        envelope = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return Fault.NOT_AN_ENVELOPE
    if type(envelope) is not dict or type(body := envelope.get("body")) is not str:
        return Fault.NOT_AN_ENVELOPE
    if envelope.get("content-type") != "application/json":
        return Fault.CONTENT_TYPE
    properties = envelope.get("properties")
    if type(properties) is dict and properties.get("body_encoding") == "base64":
        try:
            return a2b_base64(body)
        except (Base64Invalid, ValueError):  # not even ASCII
            return Fault.BODY
    return body.encode()


def _events(found: list[object]) -> Reading:
    events, faults = [], []
    for fields in found:
        if type(fields) is not dict:
            faults.append(Fault.NOT_AN_EVENT)
            continue
        get = fields.get
        kind, hostname, at_s = get("type"), get("hostname"), get("timestamp")
        if type(kind) is not str or not 0 < len(kind) <= NAME_LIMIT:
            faults.append(Fault.TYPE)
            continue
        if type(hostname) is not str or not 0 < len(hostname) <= NAME_LIMIT:
            faults.append(Fault.HOSTNAME)
            continue
        if (type(at_s) is not float and type(at_s) is not int) or not 0 < at_s <= LATEST_S:
            faults.append(Fault.TIMESTAMP)
            continue
        task_id: object = ""
        if kind.startswith("task-"):
            task_id = get("uuid")
            if type(task_id) is not str or not 0 < len(task_id) <= NAME_LIMIT:
                faults.append(Fault.TASK_ID)
                continue
        events.append(_new(Event, (kind, hostname, at_s, task_id, fields)))
    return Reading(tuple(events), tuple(faults))


def _tolerant(body: bytes) -> object:
    """Read what Python's encoder writes and orjson refuses: NaN, infinity, lone surrogates."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return Fault.BODY
    batch = found if isinstance(found, list) else [found]
    for fields in batch:
        if isinstance(fields, dict):
            fields.update({name: _unicode(value) for name, value in fields.items() if isinstance(value, str)})
    return found


def _unicode(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
