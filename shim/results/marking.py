"""Marks a task as aborted, for tasks that look whether they are (``celery/contrib/abortable.py``)."""

from __future__ import annotations

import json
from typing import Any

from shim.errors import RequestInvalid
from shim.results.store import Results
from shim.script import Script

MARK = Script("shim.results", "mark.lua")
ABORTED = "ABORTED"


async def mark_aborted(results: Results, task_id: str, *, expires_s: int) -> bool:
    """Mark a task as aborted; whether it heeds that is its own affair. ``False`` if it has succeeded already.

    Raises:
        RequestInvalid: results are kept in another form than JSON.
        ShimError: as ``Link.call``.
    """
    if results.form.serializer != "json":
        message = "result_serializer: only JSON results are written"
        raise RequestInvalid(message)
    meta: dict[str, Any] = {
        "status": ABORTED,
        "result": None,
        "traceback": None,
        "children": [],
        "date_done": None,
        "task_id": task_id,
    }
    key = results.keys.task(task_id)
    return bool(await MARK.run(results.link, [key], [json.dumps(meta), max(expires_s, 0)]))
