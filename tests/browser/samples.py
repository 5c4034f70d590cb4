"""An ordinary hospital's answers, in the shapes of the API: some things run, some do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from daemon.clock import SystemClock, instant
from tests.browser.fake_api import FakeApi, Request

ALL_ACTIONS = ["pause", "trigger", "edit", "backfill"]
ENTRIES = (
    ("monitor-drug-bug", "every 5 minutes", "every 5m", 5, "ok", "default"),
    ("monitor-mdro", "every 15 minutes", "every 15m", 15, "missed", "default"),
    ("detect-outbreaks", "every 30 minutes", "every 30m", 30, "ok", "default"),
    ("nhsn-nightly-extract", "daily at 02:00", "cron 0 2 * * *", 1440, "ok", "batch"),
    ("classify-hai-candidates", "hourly at minute 10", "cron 10 * * * *", 60, "running", "llm"),
    ("weekly-census", "Mondays at 06:30", "cron 30 6 * * mon", 10080, "late", "batch"),
)


def moment(minutes: float = 0) -> str:
    """Give the instant so many minutes from now."""
    at = instant(SystemClock().now_us()) + timedelta(minutes=minutes)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session(role: str = "operator", **more: Any) -> dict[str, Any]:
    """Describe who is signed in."""
    return {
        "who": "anna",
        "role": role,
        "means": "session",
        "capabilities": [],
        "feeds": None,
        "may_reveal": False,
        "confirmed_until_at": None,
        "key": "key-of-the-session",
        "idle_end_at": moment(15),
        "end_at": moment(720),
        "is_read_only": False,
        "site": "aegis",
        "zone": "America/New_York",
        "environment": "production",
        "colour": "red",
        "version": "1.0.0",
        **more,
    }


NOBODY = {**session("nobody"), "who": "", "means": "none", "key": "", "version": ""}


def entry(number: int = 0, **more: Any) -> dict[str, Any]:
    """Give a row of the schedule."""
    name, words, expression, minutes, health, queue = ENTRIES[number % len(ENTRIES)]
    name = name if number < len(ENTRIES) else f"{name}-{number}"
    recent = ["succeeded"] * 20
    if health in {"missed", "late"}:
        recent[11] = "skipped" if health == "missed" else "failed"
    return {
        "id": name,
        "name": name,
        "task": f"apps.surveillance.tasks.{name.replace('-', '_')}",
        "state": "on",
        "health": health,
        "schedule": {"words": words, "expression": expression, "zone": "America/New_York"},
        "next_at": moment(minutes / 3),
        "last": {"due_at": moment(-minutes / 2), "outcome": recent[-1], "lateness_s": 0.2, "reason": ""},
        "lateness_p95_s": 0.3,
        "recent": recent,
        "failures": 1 if health == "missed" else 0,
        "queue": queue,
        "source": "site",
        "is_changed": False,
        "paused": None,
        "waits_since_at": None,
        "note": "",
        "problem": "",
        "allowed_actions": ALL_ACTIONS,
        **more,
    }


PAUSE = {"by": "jdoe", "since_at": moment(-120), "until_at": moment(100), "note": "LIS upgrade, ends 16:00"}


def entries(rows: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Give a page of the schedule."""
    return {
        "items": list(rows),
        "next": None,
        "total": len(rows),
        "counts": {
            "all": len(rows), "on": len(rows), "paused": 0, "disabled": 0, "wrong": 0, "over": 0, "stray": 0, "trouble": 0, "changed": 0,
        },
        "held": None,
        "can_change": True,
        "as_of_at": moment(),
        "is_complete": True,
        "allowed_actions": ["add", "hold", "bulk"],
        **more,
    }  # fmt: skip


def some_entries() -> list[dict[str, Any]]:
    """List the site's entries: one paused, one that can never fire."""
    found = [entry(number) for number in range(len(ENTRIES))]
    found[2] |= {
        "state": "paused",
        "paused": PAUSE,
        "is_changed": True,
        "next_at": None,
        "allowed_actions": ["resume", "trigger", "edit", "revert"],
    }
    found[5] |= {
        "state": "wrong",
        "problem": "cron 30 6 31 2 *: there is no 31 February; the nearest that can be is 30 6 28 2 *",
        "next_at": None,
        "allowed_actions": ["edit"],
    }
    return found


def fire(minutes: float, note: str = "") -> dict[str, Any]:
    return {"at": moment(minutes), "local": moment(minutes), "note": note}


def run(minutes: float, outcome: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Give a row of a history."""
    return {
        "due_at": moment(minutes), "last_at": None, "count": 1, "outcome": outcome, "how": "clock", "enqueued_at": moment(minutes),
        "started_at": moment(minutes + 0.03), "ended_at": moment(minutes + 2), "lateness_s": 0.4, "wait_s": 2.0, "duration_s": 118.0,
        "task_id": "7f3a91bd-0000-5000-8000-000000000001", "task": "apps.surveillance.tasks.x", "queue": "default", "worker": "w1@node-a",
        "daemon": "gen1", "reason": "", "reason_text": "", **more,
    }  # fmt: skip


def detail(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give all there is of an entry."""

    def one(field: str, value: Any, **rest: Any) -> dict[str, Any]:
        return {
            "field": field, "value": value, "is_hidden": False, "source": "site", "place": "site.toml:12", "by": "", "since_at": None,
            "until_at": None, "reason": "", "is_changed": False, "below": None, **rest,
        }  # fmt: skip

    return {
        "row": row,
        "fields": [
            one("task", row["task"]),
            one("cron", "0 2 * * *"),
            one(
                "options.queue", "batch", source="override", place="", by="jdoe", since_at=moment(-9000), is_changed=True,
                reason="keep llm free", below="default",
            ),
            one("kwargs", None, is_hidden=True),
        ],
        "next": [fire(40), fire(1480), fire(2920, "02:00 does not exist, so it fires at 03:00"), fire(4360), fire(5800)],
        "arguments": {"positional": 0, "names": ["ward", "days"]},
        "problems": [],
        "catch_up": "one",
        "catch_up_window_s": 21600,
        "overlap": "skip",
        "priority": None,
        "expires_s": 3600,
        "start_deadline_s": None,
        "max_runs": None,
        "counted_from_at": None,
        **more,
    }  # fmt: skip


def timeline() -> dict[str, Any]:
    """Give the picture of a day."""
    rows = []
    for number, (name, _, _, minutes, health, _) in enumerate(ENTRIES[:5]):
        marks: list[dict[str, Any]] = []
        cells: list[dict[str, Any]] = []
        if minutes < 20:
            for at in range(-720, 720, 10):
                outcome = "planned" if at > 0 else "skipped" if at == -300 and health == "missed" else "succeeded"
                cells.append({"at": moment(at), "outcome": outcome, "count": 2})
        else:
            for at in range(-720 + number * 7, 720, minutes):
                outcome = "planned" if at > 0 else "failed" if at < -600 and number == 2 else "succeeded"
                span = {"started_at": moment(at), "ended_at": moment(at + 180)} if minutes > 1000 and at < 0 else {}
                marks.append(
                    {
                        "due_at": moment(at), "outcome": outcome, "count": 1, "lateness_s": 0.2, "started_at": None, "ended_at": None,
                        "task_id": "7f3a", **span,
                    }
                )  # fmt: skip
        rows.append(
            {
                "id": name, "name": name, "state": "on", "health": health, "next_at": moment(minutes / 3), "is_dense": bool(cells),
                "marks": marks, "cells": cells,
            }
        )  # fmt: skip
    return {
        "from_at": moment(-720),
        "to_at": moment(720),
        "now_at": moment(),
        "cell_s": 600,
        "others": 25,
        "rows": rows,
    }


def feed(name: str = "adt", **more: Any) -> dict[str, Any]:
    """Give a row of the feeds."""
    return {
        "name": name, "state": "listening", "why": None, "listen": ["0.0.0.0:2575"], "is_tls": True, "connections": 2, "last_at": moment(-0.05),
        "usual_silence_s": 240.0, "last_minute": 7, "last_hour": 412, "day": [int(20 + 15 * ((at * 7) % 13) / 13 + at % 5) for at in range(96)],
        "p50_s": 0.003, "p99_s": 0.011, "codes": {"AA": 9811, "AE": 4}, "resent": 1, "waiting": 0, "oldest_s": 0.0, "deviations": 3,
        "certificate_expires_at": moment(60 * 24 * 12), "pause": None, "allowed_actions": ["pause", "drain", "disconnect"], **more,
    }  # fmt: skip


def feeds() -> list[dict[str, Any]]:
    return [
        feed(),
        feed(
            "orm", state="quiet", why="nothing for 78 min; at this hour 4 min are usual", listen=["0.0.0.0:2576"], is_tls=False,
            connections=0, last_at=moment(-78), last_hour=0, codes={"AA": 702, "AR": 1}, certificate_expires_at=None, deviations=0,
        ),
        feed("oru", listen=["unix lab"], is_tls=False, connections=1, waiting=2, oldest_s=41.0, codes={"AA": 3220}, certificate_expires_at=None),
    ]  # fmt: skip


def feed_detail(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "feed": row,
        "connections": [
            {
                "number": number, "peer": f"10.20.0.{number}", "since_at": moment(-300), "last_at": moment(-0.1), "messages": 3120 + number,
                "size_bytes": 4_000_000, "state": "reading", "subject": "CN=lis.example.org" if number == 1 else "", "label": "",
                "deviations": ["lf-after-fs"] if number == 2 else [], "allowed_actions": ["disconnect"],
            }
            for number in (1, 2)
        ],
        "deviations": [
            {
                "kind": "lf-after-fs", "count": 31, "first_at": moment(-4000), "last_at": moment(-6), "peers": ["10.20.0.2"],
                "advice": "The sender ends its blocks with a line feed instead of a carriage return; it is taken all the same.",
                "window": "1c 0a .. .. 0b",
            }
        ],
        "minutes": [int(3 + at % 7) for at in range(60)],
        "latencies": [{"up_to_s": up_to, "count": many} for up_to, many in ((0.001, 120), (0.002, 4100), (0.005, 5200), (0.01, 380), (0.05, 15))],
        "quarantined": {"no-msh": 2},
        "refused": {},
        "gone": {"retention": 812},
        "enqueued": 9809, "parked": 0, "repeated": 1, "filtered": 12, "unrouted": 0,
        "kinds": {"ADT^A01": 4120, "ADT^A08": 3877, "ADT^A03": 980},
        "routes": [
            {"name": "admissions", "count": 4120, "becomes": "apps.adt.tasks.handle_adt"},
            {"name": "updates", "count": 3877, "becomes": "apps.adt.tasks.update"},
        ],
        **more,
    }  # fmt: skip


PROBLEMS = (
    {
        "id": "queue-no-consumer:llm", "code": "queue-no-consumer", "severity": "critical", "what": "Queue without consumer", "kind": "queue",
        "where": "llm", "since_at": moment(-15), "detail": "25 tasks wait and no worker takes from it.", "step": "Start a worker with -Q llm.",
        "link": "/queues/llm", "is_acknowledged": False, "silenced_until_at": None,
    },
    {
        "id": "entry-missed:monitor-mdro", "code": "entry-missed", "severity": "warning", "what": "Missed occurrence", "kind": "entry",
        "where": "monitor-mdro", "since_at": moment(-300), "detail": "The occurrence of 09:15 was passed over.", "step": "Run it now if it is wanted.",
        "link": "/schedules/monitor-mdro", "is_acknowledged": False, "silenced_until_at": None,
    },
)  # fmt: skip


def overview(**more: Any) -> dict[str, Any]:
    return {
        "site": "aegis", "version": "1.0.0", "checked_at": moment(), "severity": "critical", "problems": list(PROBLEMS),
        "cards": {
            "feeds": {"total": 3, "up": 3, "paused": 0, "last_hour": 412, "waiting": 0, "oldest_s": 0.0},
            "spool": {"is_accepting": True, "is_full": False, "free_bytes": 96_000_000_000, "lasts_s": None},
            "broker": {"is_up": True, "address": "redis://127.0.0.1:6379/0", "since_at": None},
            "occurrences": {"done": 812, "late": 9, "missed": 1, "failed": 0},
            "queues": {"total": 3, "waiting": 37, "oldest_s": 41.0, "without_consumer": ["llm"]},
            "workers": {"online": 3, "offline": 1, "active": 2, "slots": 7},
        },
        "traffic": [
            {"feed": one["name"], "step_s": 900, "from_at": moment(-1440), "messages": one["day"]} for one in feeds()
        ],
        **more,
    }  # fmt: skip


ALERTS_STATUS = {"checked_at": moment(), "every_s": 5.0, "open": 2, "silenced": 1, "channels": []}


def found(rows: Sequence[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Filter as the API would, by text alone."""
    text = request.query.get("text", "").lower()
    return [row for row in rows if text in row["name"].lower()]


def ordinary(fake: FakeApi) -> None:
    """Answer as an ordinary site would."""
    rows = some_entries()
    fake.says("/api/session", session())
    fake.says("/api/session", session(), "POST")
    fake.says("/api/overview", lambda _: overview())
    fake.says("/api/alerts/status", ALERTS_STATUS)
    fake.says("/api/queues", {"items": [], "next": None, "total": 0, "is_complete": True, "unacked_total": 0})
    fake.says("/api/schedule/*", lambda _: detail(rows[3]))
    fake.says(
        "/api/schedule/*/history", {"items": [run(-1440 * day) for day in range(1, 8)], "next": None, "total": None}
    )
    fake.says(
        "/api/schedule/*/why",
        {
            "at": moment(-300),
            "finding": "skipped",
            "text": "A run of 08:45 was still going, and overlap = skip.",
            "run": None,
            "before_at": moment(-1440),
            "after_at": moment(40),
        },
    )
    fake.says(
        "/api/schedule/preview",
        {
            "before": [fire(40 + 1440 * at) for at in range(5)],
            "after": [fire(100 + 1440 * at) for at in range(5)],
            "words": "daily at 03:00",
            "problems": [],
        },
        "POST",
    )
    fake.says("/api/schedule/*/preview", {"fires": [fire(60 * at) for at in range(1, 11)], "is_over": False})
    fake.says("/api/schedule", lambda request: entries(found(rows, request)))
    fake.says("/api/schedule/timeline", lambda _: timeline())
    fake.says("/api/feeds", {"items": feeds(), "next": None, "total": 3})
    fake.says("/api/feeds/*", feed_detail(feed()))
    fake.says(
        "/api/feeds/*/traffic",
        lambda _: {
            "feed": "adt",
            "step_s": 60,
            "from_at": moment(-1440),
            "messages": [at % 23 for at in range(1440)],
            "refused": [0] * 1440,
        },
    )
