"""How the messages of the shim differ from Celery's: all of it, each with its reason. Everything else is the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tests.support.task_requests import utc


class LeftOut(NamedTuple):
    """A field the shim does not write: what Celery writes, or nothing if that differs from message to message."""

    celery_writes: Any
    reason: str


UNTOLD = object()
NOTHING_TO_SAY = "a worker reads a field that is not there in the same way"

HEADERS_LEFT_OUT: Mapping[str, LeftOut] = {
    **{
        name: LeftOut(None, NOTHING_TO_SAY)
        for name in ("shadow", "eta", "expires", "group", "group_index", "ignore_result", "stamped_headers")
    },
    "timelimit": LeftOut([None, None], NOTHING_TO_SAY),
    "replaced_task_nesting": LeftOut(0, NOTHING_TO_SAY),
    "stamps": LeftOut({}, NOTHING_TO_SAY),
}
PROPERTIES_LEFT_OUT: Mapping[str, LeftOut] = {
    "reply_to": LeftOut(
        UNTOLD, "read by the rpc result back-end only; Celery names a queue of its own thread in any case"
    ),
    "body_encoding": LeftOut("base64", "absent: a JSON body is text as it is, two thirds of the size"),
    "argsrepr": LeftOut(
        UNTOLD, "a copy of the header, which Celery lets slip into the properties when its caller gives it"
    ),
    "kwargsrepr": LeftOut(UNTOLD, "the same"),
    "origin": LeftOut(UNTOLD, "the same"),
}
ADDED: Mapping[str, str] = {"timestamp": "when it was sent, for whoever looks into a queue; Celery does not tell"}
"""Properties the shim writes and Celery does not."""

WRITTEN_OTHERWISE: Mapping[str, str] = {
    "eta, expires": "in UTC: a worker reads no offset that has seconds, and Celery writes the offset it is given",
    "expiration": "milliseconds rounded up; Celery rounds down, so that a message may expire before its task",
    "delivery_tag": "unique for each message, whoever writes it",
    "argsrepr, kwargsrepr": "<not shown> unless the caller says otherwise: Celery writes the arguments themselves",
    "origin": "what the caller says; Celery's default is gen<pid>@<host>",
    "body": "compact JSON; Celery's has spaces and escapes",
}
"""What both write, not in the same characters."""


def in_full(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring both messages, without their bodies, to the same form by the tables; what is left must be equal."""
    ours, celerys = (
        {
            **one,
            "headers": dict(one["headers"]),
            "properties": dict(one["properties"]),
        }
        for one in (mine, theirs)
    )
    for part, table in (("headers", HEADERS_LEFT_OUT), ("properties", PROPERTIES_LEFT_OUT)):
        for name, left_out in table.items():
            if name not in ours[part] and name in celerys[part]:
                ours[part][name] = celerys[part][name] if left_out.celery_writes is UNTOLD else left_out.celery_writes
    for name in ADDED:
        del ours["properties"][name]
    for one in (ours, celerys):
        del one["body"]
        del one["properties"]["delivery_tag"]
        for name in ("eta", "expires"):
            if one["headers"].get(name) is not None:
                one["headers"][name] = utc(datetime.fromisoformat(one["headers"][name]))
    if "expiration" in ours["properties"] and "expiration" in celerys["properties"]:
        ends_ms = [int(one["properties"].pop("expiration")) for one in (ours, celerys)]
        assert 0 <= ends_ms[0] - ends_ms[1] <= 1
    return ours, celerys
