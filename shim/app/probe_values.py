"""What the probe tells of an app, as JSON. Run by the app's own interpreter: Python 3.8, Celery 5.3, nothing of ours."""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
import sysconfig
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CONF = (
    "accept_content", "broker_connection_retry", "broker_connection_retry_on_startup", "broker_connection_timeout",
    "broker_pool_limit", "broker_read_url", "broker_transport_options", "broker_url", "broker_use_ssl",
    "broker_write_url", "control_exchange", "control_queue_expires", "control_queue_ttl", "enable_utc",
    "event_exchange", "event_queue_expires", "event_queue_prefix", "event_queue_ttl", "event_serializer",
    "redis_backend_health_check_interval", "redis_backend_use_ssl", "redis_db", "redis_host", "redis_max_connections",
    "redis_password", "redis_port", "redis_username", "result_accept_content", "result_backend",
    "result_backend_transport_options", "result_compression", "result_expires", "result_extended",
    "result_failure_expires", "result_persistent", "result_serializer", "task_acks_late", "task_always_eager",
    "task_compression", "task_create_missing_queue_exchange_type", "task_create_missing_queue_type",
    "task_create_missing_queues", "task_default_delivery_mode", "task_default_exchange", "task_default_exchange_type",
    "task_default_priority", "task_default_queue", "task_default_queue_type", "task_default_routing_key",
    "task_ignore_result", "task_inherit_parent_priority", "task_protocol", "task_publish_retry",
    "task_publish_retry_policy", "task_queue_max_priority", "task_send_sent_event", "task_serializer",
    "task_soft_time_limit", "task_store_errors_even_if_ignored", "task_time_limit", "task_track_started", "timezone",
    "worker_prefetch_multiplier", "worker_send_task_events",
)  # fmt: skip

SECRET = (
    "broker_read_url", "broker_transport_options", "broker_url", "broker_use_ssl", "broker_write_url",
    "redis_backend_use_ssl", "redis_password", "result_backend", "result_backend_transport_options",
)  # fmt: skip
"""Settings that may hold a password; handed on because without them there is no connection."""

TASK_OPTIONS = (
    "acks_late", "compression", "delivery_mode", "exchange", "exchange_type", "expires", "ignore_result",
    "max_retries", "priority", "queue", "rate_limit", "routing_key", "send_events", "serializer", "soft_time_limit",
    "time_limit", "track_started", "typing",
)  # fmt: skip

QUEUE_OPTIONS = (
    "alias", "auto_delete", "durable", "expires", "max_length", "max_length_bytes", "max_priority", "message_ttl", "name",
    "queue_arguments", "routing_key",
)  # fmt: skip

CRONTAB_FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")

RRULE_FIELDS = (
    "freq", "dtstart", "interval", "wkst", "count", "until", "bysetpos", "bymonth", "bymonthday", "byyearday", "byeaster",
    "byweekno", "byweekday", "byhour", "byminute", "bysecond",
)  # fmt: skip

DEPTH = 12
SOURCES = 5000
"""Files, and folders, that are watched for changes; an app of more is asked anew each time."""


def described(app: Any) -> dict[str, Any]:
    """Tell everything of an app whose tasks are registered."""
    return {
        "form": 2,
        "versions": versions(),
        "conf": conf_of(app),
        "secret": list(SECRET),
        "tasks": {name: task_of(task) for name, task in sorted(app.tasks.items())},
        "schedule": {
            str(name): entry_of(entry) for name, entry in sorted(dict(app.conf.beat_schedule or {}).items(), key=str)
        },
        "timezone": zone_of(app.timezone),
        "enable_utc": bool(app.conf.enable_utc),
        "cleans_results": cleans_results(app),
        "sources": sources(),
    }


def versions() -> dict[str, str]:
    """Name the versions that decide what is on the wire."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("celery", "kombu", "redis", "django"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def conf_of(app: Any) -> dict[str, Any]:
    """Give the settings that count on the wire; queues and routes in their JSON form."""
    found = {}
    for name in CONF:
        try:
            found[name] = plain(getattr(app.conf, name))
        except (AttributeError, KeyError):
            continue  # a setting this Celery does not have
    found["timezone"] = zone_of(app.timezone)
    found["task_queues"] = [queue_of(queue) for queue in app.amqp.queues.values()]
    found["task_routes"] = routes_of(app.conf.task_routes)
    return found


def queue_of(queue: Any) -> dict[str, Any]:
    """Describe a queue as it is declared."""
    exchange = queue.exchange
    told = {name: plain(getattr(queue, name, None)) for name in QUEUE_OPTIONS}
    told["exchange"] = exchange.name if exchange is not None else ""
    told["exchange_type"] = (exchange.type if exchange is not None else None) or "direct"
    told["delivery_mode"] = exchange.delivery_mode if exchange is not None else None
    told["bindings"] = [
        {"exchange": one.exchange.name, "exchange_type": one.exchange.type, "routing_key": one.routing_key or ""}
        for one in sorted(queue.bindings, key=lambda one: (one.exchange.name, one.routing_key or ""))
    ]
    return told


def routes_of(routes: Any) -> list[Any]:
    """Describe ``task_routes``: each router in turn, as Celery prepares them (``celery/app/routes.py``)."""
    if routes is None:
        return []
    return [router_of(one) for one in (routes if isinstance(routes, (list, tuple)) else (routes,))]


def router_of(router: Any) -> dict[str, Any]:
    """Describe one router: a map, or a function by its dotted path."""
    if isinstance(router, str):
        return {"kind": "function", "path": router}
    if isinstance(router, (Mapping, list, tuple)):
        pairs = router.items() if isinstance(router, Mapping) else router
        return {"kind": "map", "pairs": [[key_of(key), route_of(route)] for key, route in pairs]}
    return {"kind": "function", "path": path_of(router)}


def key_of(key: Any) -> Any:
    """Describe the key of a route."""
    pattern = getattr(key, "pattern", None)
    return str(key) if pattern is None else {"regex": pattern, "flags": int(key.flags)}


def route_of(route: Any) -> Any:
    """Describe where a route leads: nothing, the name of a queue, or options."""
    return route if route is None or isinstance(route, str) else {str(k): plain(v) for k, v in dict(route).items()}


def task_of(task: Any) -> dict[str, Any]:
    """Describe a task: the options of its class and the parameters of its function."""
    told = {name: plain(getattr(task, name, None)) for name in TASK_OPTIONS}
    try:
        found = inspect.signature(task.run).parameters.values()
        told["parameters"] = [[one.name, one.kind.name, one.default is not one.empty] for one in found]
    except (TypeError, ValueError):
        told["parameters"] = None
    return told


def cleans_results(app: Any) -> bool:
    """Say whether beat adds ``celery.backend_cleanup`` to the schedule (``Scheduler.install_default_entries``)."""
    try:
        return bool(app.conf.result_expires) and not app.backend.supports_autoexpire
    except Exception:  # noqa: BLE001 - a back-end that cannot be loaded here is not this question's concern
        return False


def entry_of(entry: Any) -> dict[str, Any]:
    """Describe an entry of ``beat_schedule``."""
    if not isinstance(entry, Mapping):
        return {"task": "", "schedule": {"type": "other", "class": path_of(type(entry)), "why": "not a mapping"}}
    args, kwargs = list(entry.get("args") or ()), dict(entry.get("kwargs") or {})
    return {
        "task": str(entry.get("task") or ""),
        "schedule": schedule_of(entry.get("schedule"), relative=bool(entry.get("relative"))),
        "args": carried(args),
        "kwargs": carried(kwargs),
        "options": plain(dict(entry.get("options") or {})),
        "unsaid": [*unsaid(args), *unsaid(kwargs)],
    }


def schedule_of(value: Any, *, relative: bool) -> dict[str, Any]:
    """Describe when an entry runs; of a schedule nobody knows here, its class and why it cannot be told."""
    from celery.schedules import crontab, schedule, solar  # noqa: PLC0415 - the app's own, when it is loaded

    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"type": "interval", "seconds": value, "relative": relative}
    if isinstance(value, timedelta):
        return {"type": "interval", "seconds": value.total_seconds(), "relative": relative}
    path, has_now = path_of(type(value)), getattr(value, "nowfun", None) is not None
    told: dict[str, Any] = {"type": "other", "class": path, "why": "nowfun" if has_now else ""}
    if path == "django_celery_beat.tzcrontab.TzAwareCrontab":  # its clock is its zone's
        told = {"type": "crontab", **crontab_fields(value), "timezone": zone_of(value.tz)}
    elif path == "django_celery_beat.clockedschedule.clocked":
        told = {"type": "clocked", "at": value.clocked_time.isoformat()}
    elif has_now:
        pass
    elif type(value) is crontab:
        told = {"type": "crontab", **crontab_fields(value)}
    elif type(value) is schedule:
        told = {"type": "interval", "seconds": value.run_every.total_seconds(), "relative": bool(value.relative)}
    elif type(value) is solar:
        told = {"type": "solar", "event": value.event, "lat": float(value.lat), "lon": float(value.lon)}
    elif path == "redbeat.schedules.rrule":
        told = {"type": "rrule", **{name: rule_part(getattr(value, name)) for name in RRULE_FIELDS}}
        told["timezone"] = zone_of(value.dtstart.tzinfo)
    return told


def crontab_fields(value: Any) -> dict[str, Any]:
    """Give the fields of a ``crontab`` as they were written; a set or a range as its numbers."""
    given = {name: getattr(value, "_orig_" + name) for name in CRONTAB_FIELDS}
    return {name: plain(one if isinstance(one, (str, int)) else sorted(one)) for name, one in given.items()}


def rule_part(value: Any) -> Any:
    """Describe an argument of a recurrence rule; a day of the week as a mapping of day and which one of the month."""
    if isinstance(value, (list, tuple)):
        return [rule_part(one) for one in value]
    if hasattr(value, "weekday") and not callable(value.weekday):
        return {"day": value.weekday, "which": value.n}
    return plain(value)


def unsaid(value: Any, depth: int = 0) -> list[str]:
    """Name the classes of what JSON cannot say, however deep it is."""
    if depth > DEPTH:
        return ["nested too deeply"]
    if isinstance(value, Mapping):
        return [name for one in value.values() for name in unsaid(one, depth + 1)]
    if isinstance(value, (list, tuple)):
        return [name for one in value for name in unsaid(one, depth + 1)]
    try:
        import_module("kombu.utils.json").dumps(value)
    except (TypeError, ValueError):
        return [path_of(type(value))]
    return []


def carried(value: Any) -> Any:
    """Write arguments as Celery's JSON does: typed objects keep their type."""
    dumps = import_module("kombu.utils.json").dumps  # Celery's own, where it is loaded
    try:
        return json.loads(dumps(value))
    except (TypeError, ValueError):
        return plain(value)


def zone_of(zone: Any) -> str:
    """Name a time zone."""
    return str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)


def path_of(thing: Any) -> str:
    """Name a class or a function by where it is; anything else by its class."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{getattr(named, '__module__', None) or '?'}.{getattr(named, '__qualname__', '?')}"


def plain(value: Any, depth: int = 0) -> Any:
    """Say a value in JSON; of what JSON cannot say, ``{"unknown": class}``."""
    told: Any = None
    if depth > DEPTH:
        told = {"unknown": "nested too deeply"}
    elif isinstance(value, Enum):
        told = plain(value.value, depth + 1)
    elif value is None or isinstance(value, bool):
        told = value
    elif isinstance(value, (int, str)):
        told = int(value) if isinstance(value, int) else str(value)
    elif isinstance(value, Mapping):
        told = {str(name): plain(one, depth + 1) for name, one in value.items()}
    elif isinstance(value, (set, frozenset)):
        told = [plain(one, depth + 1) for one in sorted(value, key=repr)]
    elif isinstance(value, (list, tuple)):
        told = [plain(one, depth + 1) for one in value]
    else:
        told = plain_object(value)
    return told


def plain_object(value: Any) -> Any:
    """Say what Celery's own objects mean."""
    kombu = import_module("kombu")
    told: Any = {"unknown": path_of(type(value))}
    if isinstance(value, float) and math.isfinite(value):
        told = float(value)
    elif isinstance(value, timedelta):
        told = value.total_seconds()
    elif isinstance(value, kombu.Queue):
        told = queue_of(value)
    elif isinstance(value, kombu.Exchange):
        told = value.name
    elif isinstance(value, os.PathLike):
        told = os.fspath(value)
    elif hasattr(value, "isoformat"):
        told = value.isoformat()
    elif type(value).__name__ == "__proxy__":  # Django's lazy text
        told = str(value)
    return told


def sources() -> dict[str, Any]:
    """List what the answer depends on: the app's own files, the folders they are in, what is installed."""
    installed = sorted({Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")})
    library = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    foreign = {*installed, *library, Path(__file__).resolve().parent}
    files = {}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not isinstance(name, str):
            continue
        path = Path(name).resolve()
        if foreign & {*path.parents} or {"site-packages", "dist-packages"} & {*path.parts}:
            continue
        if path.is_file():
            seen = path.stat()
            files[str(path)] = [seen.st_mtime_ns, seen.st_size]
    folders = {folder: names_in(folder) for folder in sorted({str(Path(path).parent) for path in files})}
    return {
        "files": dict(sorted(files.items())[:SOURCES]),
        "folders": dict(sorted(folders.items())[:SOURCES]),
        "installed": {str(one): one.stat().st_mtime_ns for one in installed if one.is_dir()},
        "complete": len(files) <= SOURCES and len(folders) <= SOURCES,
    }


def names_in(folder: str) -> list[str]:
    """Name the modules and packages of a folder."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(".py")
            or (entry.name.isidentifier() and entry.name != "__pycache__" and entry.is_dir())
        )
