"""Stock Celery as a sender: what it itself writes for a request, caught in this process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from celery import Celery
from celery import Signature as TheirSignature

from shim.request import TaskRequest
from shim.routing import Target
from shim.signature import Signature
from tests.support.stock import read, write


def their(value: Any) -> Any:
    """Make Celery's signatures of ours, wherever they stand."""
    if isinstance(value, Signature):
        return TheirSignature(
            value.task,
            tuple(value.args),
            {key: their(item) for key, item in value.kwargs.items()},
            {key: their(item) for key, item in value.options.items()},
            subtask_type=value.subtask_type,
            immutable=value.immutable,
        )
    if isinstance(value, (list, tuple)) and any(isinstance(item, Signature) for item in value):
        return [their(item) for item in value]
    return value


def bare(value: Any) -> Any:
    """Make plain dicts of Celery's signatures: its YAML writer knows no others."""
    return read(write(value))


class StockSender:
    """A Celery application whose clock stands and whose messages go to a list in memory."""

    def __init__(self, now: datetime, origin: str) -> None:
        self.app = Celery("stock", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.app.now = lambda: now
        self._origin = origin
        self._channel = self.app.connection_for_write().channel()
        self._channel.queues.clear()  # all of a process share them, and others may have left something

    def payload(self, request: TaskRequest, target: Target) -> bytes:
        """Have Celery send a request; give the list element kombu's Redis transport would push."""
        self.app.send_task(
            request.task,
            request.args,
            request.kwargs,
            **self.options(request, target),
        )
        return self.taken(target.queue)

    def taken(self, queue: str) -> bytes:
        """Take the oldest message of a queue, as kombu's Redis transport would have pushed it."""
        return write(self._channel._get(queue)).encode()

    def options(self, request: TaskRequest, target: Target) -> dict[str, Any]:
        """Say a request in the words of ``apply_async``."""
        links: Mapping[str, Any] = {
            "link": [their(one) for one in request.links] or None,
            "link_error": [their(one) for one in request.error_links] or None,
            "chain": [their(one) for one in reversed(request.chain)] or None,
            "chord": their(request.chord),
        }
        if request.serializer == "yaml":
            links = {name: bare(value) for name, value in links.items()}
        stamped = {"stamped_headers": list(request.stamps), **request.stamps} if request.stamps else {}
        return {
            **links,
            **stamped,
            "task_id": request.task_id,
            "eta": request.eta_at,
            "expires": request.expires_at,
            "time_limit": request.time_limit_s,
            "soft_time_limit": request.soft_time_limit_s,
            "ignore_result": request.ignore_result,
            "shadow": request.shadow,
            "root_id": request.root_id,
            "parent_id": request.parent_id,
            "headers": dict(request.headers),
            "argsrepr": request.argsrepr,
            "kwargsrepr": request.kwargsrepr,
            "retries": request.retries,
            "serializer": request.serializer,
            "compression": request.compression,
            "group_id": request.group_id,
            "group_index": request.group_index,
            "reply_to": request.reply_to,
            "delivery_mode": request.delivery_mode,
            "replaced_task_nesting": request.replaced_task_nesting,
            "origin": self._origin,
            "queue": target.queue,
            "priority": target.priority,
        }
