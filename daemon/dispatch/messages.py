"""Work items of the daemon to messages for workers: routed, checked, built."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from daemon.clock import instant
from daemon.ports import WorkItem
from daemon.settings.celery_sections import CelerySection
from daemon.settings.problems import KeyPath
from shim.envelope import Envelope, build_envelope
from shim.errors import RequestInvalid
from shim.request import NOT_SHOWN, TaskRequest
from shim.routing import Route, Router


def check_items(settings: CelerySection, items: Sequence[tuple[KeyPath, WorkItem]]) -> list[tuple[KeyPath, str]]:
    """Find the items no worker could take, and say why."""
    router, found = make_router(settings), []
    for path, item in items:
        try:
            build(router, item, "check", instant(0), "check")
        except RequestInvalid as error:
            found.append((path, f"{error}; {error.hint}" if error.hint else str(error)))
    return found


def make_router(settings: CelerySection) -> Router:
    """Make the router of a site."""
    routes = {str(name): Route(route.queue, route.priority) for name, route in settings.task_routes.items()}
    return Router(routes, default_queue=settings.task_default_queue, default_priority=settings.task_default_priority)


def build(router: Router, item: WorkItem, tag: str, now: datetime, origin: str) -> Envelope:
    """Build the message of ``item`` for the queue the routes give it; ``tag`` is unique for each message.

    Raises:
        RequestInvalid: no worker could take it.
    """
    request = TaskRequest(
        task=item.task,
        task_id=item.task_id,
        args=item.args,
        kwargs=item.kwargs,
        eta_at=None if item.eta_us is None else instant(item.eta_us),
        expires_at=None if item.expires_at_us is None else instant(item.expires_at_us),
        time_limit_s=item.time_limit_s,
        soft_time_limit_s=item.soft_time_limit_s,
        headers=item.headers,
        argsrepr=item.args_shown if item.args_shown is not None else NOT_SHOWN,
        kwargsrepr=item.kwargs_shown if item.kwargs_shown is not None else NOT_SHOWN,
    )
    target = router.resolve(item.task, queue=item.queue, priority=item.priority)
    return build_envelope(request, target, delivery_tag=tag, at=now, origin=origin)
