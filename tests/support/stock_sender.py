"""Stock Celery as a sender: what it itself writes for a request, caught in this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from celery import Celery
from kombu.utils.json import dumps

from shim.request import TaskRequest
from shim.routing import Target

write: Callable[[Any], str] = dumps
"""Writes JSON as kombu's transports do."""


class StockSender:
    """A Celery application whose clock stands and whose messages go to a list in memory."""

    def __init__(self, now: datetime, origin: str) -> None:
        self.app = Celery("stock", broker="memory://", set_as_current=False)
        self.app.now = lambda: now
        self._origin = origin
        self._channel = self.app.connection_for_write().channel()

    def payload(self, request: TaskRequest, target: Target) -> bytes:
        """Have Celery send a request; give the list element kombu's Redis transport would push."""
        self.app.send_task(
            request.task,
            request.args,
            request.kwargs,
            task_id=request.task_id,
            eta=request.eta_at,
            expires=request.expires_at,
            time_limit=request.time_limit_s,
            soft_time_limit=request.soft_time_limit_s,
            ignore_result=request.ignore_result,
            shadow=request.shadow,
            root_id=request.root_id,
            parent_id=request.parent_id,
            headers=dict(request.headers),
            argsrepr=request.argsrepr,
            kwargsrepr=request.kwargsrepr,
            origin=self._origin,
            queue=target.queue,
            priority=target.priority,
        )
        return write(self._channel._get(target.queue)).encode()
