"""Answers about messages, tasks, workers, queues, alerts, the audit trail and settings, in the shapes of the API."""

from __future__ import annotations

from typing import Any

from tests.browser.fake_api import FakeApi
from tests.browser.samples import moment

TASK = "7f3a1c9e-0000-4000-8000-0000000000c2"
WORKER = "w1@node-a"


def message(number: int = 42, **more: Any) -> dict[str, Any]:
    """Give a row of the messages."""
    return {
        "sequence": number,
        "received_at": moment(-number / 10),
        "feed": "adt",
        "type": "ADT",
        "event": "A08",
        "control_id": f"MSG{number:05}",
        "application": "EPIC",
        "facility": "MAIN",
        "version": "2.5.1",
        "size_bytes": 1200,
        "state": "enqueued",
        "reason": "",
        "code": "AA",
        "flags": [],
        "origin": None,
        "is_whole": True,
        "is_answer_pending": False,
        "peer": "10.0.0.12",
        "task_id": TASK,
        "allowed_actions": ["replay", "release", "reveal", "export"],
        **more,
    }


def task(number: int = 0, **more: Any) -> dict[str, Any]:
    """Give a row of the tasks."""
    return {
        "task_id": TASK if not number else f"{number:08x}-0000-4000-8000-000000000000",
        "name": "apps.surgical_prophylaxis.tasks.handle_adt",
        "state": "SUCCESS",
        "is_finished": True,
        "queue": "default",
        "worker": WORKER,
        "client": "gen1@host",
        "sent_at": moment(-2),
        "received_at": moment(-1.9),
        "started_at": moment(-1.8),
        "ended_at": moment(-1.7),
        "changed_at": moment(-1.7),
        "wait_s": 0.2,
        "runtime_s": 0.7,
        "retries": 0,
        "eta_at": None,
        "expires_at": None,
        "root_id": None,
        "parent_id": None,
        "origin": {"kind": "feed", "name": "adt", "key": "42"},
        "is_terminated": False,
        "is_expired": False,
        "allowed_actions": ["retry", "revoke", "terminate"],
        **more,
    }


def node(name: str = WORKER, **more: Any) -> dict[str, Any]:
    """Give a row of the workers."""
    return {
        "name": name,
        "state": "online",
        "heard_at": moment(),
        "online_at": moment(-600),
        "offline_at": None,
        "queues": ["default", "llm"],
        "pool": "prefork",
        "slots": 4,
        "active": 3,
        "reserved": 2,
        "scheduled": 0,
        "processed": 18422,
        "failed": 31,
        "load": [0.1, 0.2, 0.3],
        "peak_memory_bytes": 73400320,
        "celery": "5.7.0",
        "pid": 812,
        "uptime_s": 86400,
        "clock_offset_s": 2.1,
        "is_drifting": True,
        "prefetch": 16,
        "required_for": ["llm"],
        "is_doubled": False,
        "allowed_actions": ["pool-grow", "pool-shrink", "rate-limit", "add-consumer", "pool-restart", "shutdown"],
        **more,
    }


def queue(name: str = "default", **more: Any) -> dict[str, Any]:
    """Give a row of the queues."""
    return {
        "name": name,
        "state": "ok",
        "waiting": 12,
        "oldest_at": moment(-0.1),
        "oldest_age_s": 4.0,
        "unacked": 3,
        "in_per_min": 61.0,
        "out_per_min": 63.0,
        "empties_in_s": 20.0,
        "consumers": [WORKER],
        "consumer_count": 1,
        "is_held": False,
        "entries": 14,
        "entry_names": ["monitor-mdro"],
        "feeds": ["adt"],
        "bands": [{"step": 0, "waiting": 12}],
        "history": {"every_s": 300, "until_at": moment(), "waiting": [number % 9 for number in range(72)]},
        "parked": 0,
        "allowed_actions": ["peek", "reveal", "hold", "purge", "restore", "destroy", "move"],
        **more,
    }


def alert(**more: Any) -> dict[str, Any]:
    """Give a row of the alerts."""
    return {
        "id": "queue-no-consumer:llm",
        "code": "queue-no-consumer",
        "severity": "critical",
        "what": "Queue without consumer",
        "kind": "queue",
        "where": "llm",
        "since_at": moment(-15),
        "last_at": moment(),
        "count": 180,
        "state": "open",
        "detail": "25 messages wait.",
        "step": "Start a worker with -Q llm.",
        "link": "/queues/llm",
        "runbook": "docs/runbooks/queue-no-consumer.md",
        "notified": ["webhook"],
        "acknowledged": None,
        "silence": None,
        "closed_at": None,
        "allowed_actions": ["acknowledge", "silence"],
        **more,
    }


def page_of(*items: Any, **more: Any) -> dict[str, Any]:
    """Give a page that holds everything."""
    return {"items": list(items), "next": None, "total": len(items), **more}


def _messages(fake: FakeApi) -> None:
    rows = [message(number) for number in range(42, 46)]
    rows[1] |= {"state": "quarantined", "reason": "no-msh", "code": "AR", "task_id": None}
    rows[2] |= {"state": "parked", "reason": "TaskRefused", "flags": ["replay"]}
    fake.says("/api/messages", page_of(*rows, total=None, since_at=moment(-60), until_at=None, is_complete=True))
    reasons = {"since_at": moment(-600), "quarantined": [{"feed": "adt", "reason": "no-msh", "count": 3}]}
    fake.says("/api/messages/reasons", {**reasons, "parked": [{"feed": "adt", "count": 2}]})
    fake.says(
        "/api/messages/42",
        {
            "message": message(),
            "header": [{"field": "MSH-3", "value": "EPIC"}, {"field": "MSH-4", "value": "MAIN"}],
            "segments": [
                {
                    "name": name,
                    "size_bytes": 80,
                    "fields": [{"number": 3, "size_bytes": 12, "repetitions": 2, "components": 4}],
                }
                for name in ("MSH", "PID", "PV1", "OBX", "OBX")
            ],
            "segments_left_out": 0,
            "answer": {"codes": ["AA"], "size_bytes": 70, "segments": [{"name": "MSA", "size_bytes": 15}]},
            "tasks": [
                {
                    "task_id": TASK,
                    "route": "r1",
                    "name": "apps.sx.handle_adt",
                    "queue": "default",
                    "state": "success",
                    "worker": WORKER,
                }
            ],
            "entries": ["monitor-mdro"],
            "copies": [{"sequence": 77, "state": "enqueued", "is_replay": True, "received_at": moment(-1)}],
            "path": [
                {"step": "received", "is_done": True, "at": moment(-4), "gap_s": None, "detail": "10.0.0.7"},
                {"step": "answered", "is_done": True, "at": None, "gap_s": None, "detail": "AA"},
                {"step": "enqueued", "is_done": True, "at": None, "gap_s": None, "detail": ""},
                {"step": "task-received", "is_done": True, "at": moment(-4), "gap_s": 0.005, "detail": WORKER},
                {"step": "started", "is_done": True, "at": moment(-3.9), "gap_s": 1.4, "detail": ""},
                {"step": "ended", "is_done": False, "at": None, "gap_s": None, "detail": ""},
            ],
        },
    )


def _tasks(fake: FakeApi) -> None:
    rows = [task(number) for number in range(4)]
    rows[1] |= {"state": "FAILURE", "origin": {"kind": "entry", "name": "monitor-mdro", "key": ""}}
    rows[2] |= {"state": "STARTED", "is_finished": False, "ended_at": None, "runtime_s": None, "origin": None}
    fake.says(
        "/api/task-list",
        page_of(
            *rows,
            kept_since=moment(-600),
            is_complete=True,
            gaps=[{"began_at": moment(-30), "ended_at": moment(-29), "reason": "the connection broke"}],
            forgotten=12,
            is_listening=True,
            by_state={"SUCCESS": 2},
            failed_by_name={"apps.sx.handle_adt": 3},
        ),
    )
    shape = {"type": "object", "count": 2, "size_bytes": 60, "names": ["mrn", "location"]}
    fake.says(
        f"/api/tasks/{TASK}",
        {
            **task(),
            "status": "Task failed",
            "state": "FAILURE",
            "ready": True,
            "successful": False,
            "progress": None,
            "retried_at": None,
            "done_at": moment(-1.7),
            "group_id": None,
            "children": ["11111111-0000-4000-8000-000000000000"],
            "sent_by": None,
            "error_type": "ValueError",
            "is_poisoned": True,
            "is_unreadable": False,
            "reason": "no such exception",
            "args": None,
            "kwargs": shape,
            "result": None,
            "traceback_lines": 12,
            "remembered_until": moment(1440),
            "allowed_actions": ["retry", "reveal"],
        },
    )


def _workers(fake: FakeApi) -> None:
    gone = node("w9@node-z", state="offline", queues=[], slots=None, allowed_actions=[], is_drifting=False)
    silent = node("w2@node-b", state="silent", required_for=[], is_drifting=False)
    unserved = [{"queue": "batch", "start": "celery -A aegis worker -Q batch"}]
    more = {"asked_at": moment(), "is_complete": False, "events_since_at": moment(-60), "unserved": unserved}
    fake.says("/api/nodes", page_of(node(), silent, gone, **more))
    held = {
        "task_id": TASK,
        "name": "apps.sx.handle_adt",
        "queue": "default",
        "priority": 0,
        "started_at": moment(-0.1),
        "eta_at": None,
        "running_s": 3.2,
        "pid": 813,
        "is_acknowledged": False,
        "is_redelivered": True,
    }
    fake.says(
        "/api/nodes/*",
        {
            "node": node(),
            "asked_at": moment(),
            "active": [held],
            "reserved": [],
            "scheduled": [],
            "revoked": 12,
            "registered": [{"name": "apps.sx.handle_adt", "rate_limit": "10/m"}],
            "limits": {"soft_s": None, "hard_s": 300, "max_tasks_per_child": None},
            "consumes": [{"name": "default", "exchange": "default", "exchange_type": "direct", "routing_key": "d"}],
            "totals": {"apps.sx.handle_adt": 12},
            "processes": [813, 814],
            "host_user_s": 1.2,
            "host_system_s": 0.3,
            "broker": "redis",
        },
    )


def _queues(fake: FakeApi) -> None:
    llm = queue("llm", state="no consumer", waiting=25, consumers=[], consumer_count=0, parked=1, empties_in_s=None)
    fake.says("/api/queues", page_of(queue(), llm, asked_at=moment(), is_complete=True, unacked_total=4))
    minutes = {"every_s": 60, "until_at": moment(), "waiting": [number % 30 for number in range(360)], "taken": []}
    parked = {"token": "5f", "count": 7, "parked_at": moment(-60), "kept_until_at": moment(1380)}
    fake.says("/api/queues/*", {"queue": llm, "minutes": minutes, "parked": [parked], "held": None})
    head = {
        "task": "apps.sx.handle_adt",
        "task_id": TASK,
        "priority": 0,
        "sent_at": moment(-1),
        "age_s": 60.0,
        "eta": None,
        "expires": None,
        "retries": 1,
        "size_bytes": 412,
        "is_redelivered": True,
        "is_readable": True,
    }
    fake.says("/api/queues/llm/peek", {"queue": "llm", "items": [head]})


def _rest(fake: FakeApi) -> None:
    closed = alert(id="x", state="closed", closed_at=moment(-5), severity="warning", allowed_actions=[])
    fake.says("/api/alerts", page_of(alert(), closed))
    channel = {
        "name": "webhook",
        "where": "hooks.example.org",
        "last_ok_at": moment(-60),
        "last_failed_at": None,
        "reason": "",
        "allowed_actions": ["test"],
    }
    status = {"checked_at": moment(), "every_s": 5.0, "open": 1, "silenced": 0, "channels": [channel]}
    fake.says("/api/alerts/status", status)
    deed = {
        "n": 9,
        "at": moment(-3),
        "kind": "entry-paused",
        "outcome": "done",
        "who": "jdoe",
        "role": "operator",
        "address": "10.0.0.5",
        "about": "monitor-mdro",
        "reason": "",
        "note": "LIS upgrade",
        "count": 1,
        "before": "on",
        "after": "paused",
    }
    refused = {**deed, "n": 8, "kind": "sign-in-refused", "outcome": "refused", "who": "", "role": "", "before": ""}
    fake.says("/api/audit", page_of(deed, refused, total=None))
    chain = {"is_whole": True, "records": 812, "first": 1, "head": "812:ab", "flaws": [], "checked_at": moment()}
    fake.says("/api/audit/status", chain)
    setting = {"key": "site.timezone", "value": "UTC", "source": "default", "place": "", "is_secret": False}
    secret = {**setting, "key": "celery.broker_url", "value": None, "source": "file", "is_secret": True}
    fake.says("/api/settings", page_of(setting, {**secret, "place": "site.toml:6"}, sections=["site", "celery"]))
    token = {
        "id": "k3v9",
        "name": "grafana",
        "role": "viewer",
        "capabilities": ["phi"],
        "feeds": None,
        "created_at": moment(-6000),
        "created_by": "root",
        "expires_at": moment(60000),
        "used_at": None,
        "is_expired": False,
        "is_own": True,
        "allowed_actions": ["remove"],
    }
    fake.says("/api/tokens", page_of(token))


def celery_side(fake: FakeApi) -> None:
    """Answer what these screens ask."""
    for part in (_messages, _tasks, _workers, _queues, _rest):
        part(fake)
