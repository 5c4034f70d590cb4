"""Headers and stamps of the caller's own, and the names they may not have."""

from __future__ import annotations

from shim.encoding import check_header, check_mapping
from shim.errors import RequestInvalid
from shim.option import name
from shim.value import Json

RESERVED_HEADERS = frozenset(
    (
        "args", "argsrepr", "as_execution_options", "callbacks", "called_directly", "chain", "children", "chord", "clear",
        "compression", "correlation_id", "delivery_info", "errbacks", "eta", "expires", "get", "group", "group_index",
        "groups", "headers", "hostname", "id", "ignore_result", "is_eager", "kwargs", "kwargsrepr", "lang", "logfile",
        "loglevel", "meth", "origin", "parent_id", "properties", "redelivered", "replaced_task_nesting", "reply_to",
        "retries", "root_id", "shadow", "soft_time_limit", "stamped_headers", "stamps", "task", "taskset", "time_limit",
        "timelimit", "update", "utc",
    )
)  # fmt: skip
"""Header names a caller may not set: each steers the worker, or hides an attribute of the task's ``self.request``.

Names that begin with an underscore are refused as well: that object has private attributes too.
"""

RESERVED_STAMPS = RESERVED_HEADERS | frozenset(
    (
        "add_to_parent", "app", "connection", "countdown", "cls", "date_done", "declare", "delivery_mode", "exchange",
        "exchange_type", "expiration", "group_id", "immutable", "link", "link_error", "name", "priority", "producer",
        "publisher", "queue", "result", "result_cls", "retry", "retry_policy", "route_name", "router", "routing_key",
        "self", "serializer", "status", "subtask_type", "task_id", "task_type", "traceback", "type", "use_link", "worker",
    )
)  # fmt: skip
"""Stamp names a caller may not set.

When a stamped task is retried or replaced, a worker passes its stamps on as options of that name
(``celery/app/task.py``, ``as_execution_options``), and an extended result takes them as keys beside ``status``
and ``result`` (``celery/backends/base.py``, ``_get_result_meta``).
"""


def custom_headers(given: object, label: str = "headers") -> dict[str, Json]:
    """Read custom headers.

    Raises:
        RequestInvalid: no mapping, a name that belongs to Celery, a value that is not JSON.
    """
    return _read(given, label, RESERVED_HEADERS)


def stamps(given: object, label: str = "stamps") -> dict[str, Json]:
    """Read stamps, a mapping of name to value.

    Raises:
        RequestInvalid: no mapping, a name that steers a worker, a value that is not JSON.
    """
    return _read(given, label, RESERVED_STAMPS)


def _read(given: object, label: str, reserved: frozenset[str]) -> dict[str, Json]:
    read: dict[str, Json] = {}
    what = f"{label.removesuffix('s')} name"
    for key, value in check_mapping(given, label).items():
        plain = str(name(key, what))  # a plain one: the fast encoder takes no other key
        if plain in reserved or plain.startswith("_"):
            message = f"{label}[{plain!r}]: the name belongs to Celery's protocol"
            raise RequestInvalid(message, hint="choose another name")
        if type(value) is not str:  # the common case, spared a call
            check_header(value, f"{label}[{plain!r}]")
        read[plain] = value
    return read
