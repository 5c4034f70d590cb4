"""Alerts as JSON, so that what people did about them outlives the daemon. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from daemon.alerts.book import AlertBook
from daemon.alerts.conditions import CONDITIONS, link_of, runbook_of
from daemon.desks import AlertRow, Mark, Silence
from daemon.public import Public

_VERSION = 1


def write_book(book: AlertBook) -> bytes:
    """Write what is to be kept."""
    rows = [*book.closed.values(), *book.open.values()]
    return orjson.dumps(
        {
            "version": _VERSION,
            "alerts": [_data(row) for row in rows],
            "silences": {name: _silence_data(silence) for name, silence in book.silences.items()},
        }
    )


def read_book(content: bytes) -> tuple[list[AlertRow], dict[str, Silence]]:
    """Read what ``write_book`` wrote.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is nothing of the kind.
    """
    found = orjson.loads(content)
    if found["version"] != _VERSION:
        raise ValueError
    rows = [_row(one) for one in found["alerts"] if one["code"] in CONDITIONS]
    return rows, {str(name): _silence(one) for name, one in found["silences"].items()}


def _data(row: AlertRow) -> dict[str, Any]:
    mark = row.acknowledged
    return {
        "code": row.code,
        "where": row.where,
        "detail": row.detail,
        "since_us": row.since_us,
        "last_us": row.last_us,
        "count": row.count,
        "closed_us": row.closed_us,
        "notified": list(row.notified),
        "acknowledged": None if mark is None else {"who": mark.who, "at_us": mark.at_us, "note": mark.note},
    }


def _row(data: dict[str, Any]) -> AlertRow:
    code, where = str(data["code"]), Public(data["where"])
    condition, mark = CONDITIONS[code], data["acknowledged"]
    return AlertRow(
        id=Public(f"{code}:{where}"),
        code=Public(code),
        severity=condition.severity,
        kind=condition.kind,
        what=condition.what,
        where=where,
        detail=Public(data["detail"]),
        step=condition.step,
        link=link_of(condition, where),
        since_us=int(data["since_us"]),
        last_us=int(data["last_us"]),
        count=int(data["count"]),
        notified=tuple(Public(one) for one in data["notified"]),
        acknowledged=None if mark is None else Mark(Public(mark["who"]), int(mark["at_us"]), str(mark["note"])),
        closed_us=None if data["closed_us"] is None else int(data["closed_us"]),
        runbook=runbook_of(code),
    )


def _silence_data(silence: Silence) -> dict[str, Any]:
    return {"who": silence.who, "at_us": silence.at_us, "until_us": silence.until_us, "reason": silence.reason}


def _silence(data: dict[str, Any]) -> Silence:
    return Silence(Public(data["who"]), int(data["at_us"]), int(data["until_us"]), str(data["reason"]))
