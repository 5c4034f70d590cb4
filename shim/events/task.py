"""What the event stream tells of one task."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

PENDING, RECEIVED, STARTED, RETRY, REJECTED = "PENDING", "RECEIVED", "STARTED", "RETRY", "REJECTED"
SUCCESS, FAILURE, REVOKED = "SUCCESS", "FAILURE", "REVOKED"


@dataclass(frozen=True, slots=True)
class Task:
    """A task at one moment; what it was called with and how it failed is not part of the representation.

    Instants are those of the clocks of whoever sent the event, and the latest of their kind: a task that was retried has
    been started more than once.

    Attributes:
        name: name of the task, or what it was published as (``shadow``); ``None`` while only later events are known.
        state: Celery's word, or that of a custom event (``task-progress`` gives ``PROGRESS``).
        state_at: when it came into this state; ``None`` while nothing tells.
        is_finished: whether it succeeded, failed for good or was revoked.
        args: representation made by the sender, cut at 1024 characters.
        kwargs: the same of the keyword arguments.
        exception: representation of the last failure, or of the reason of the last retry, cut.
        retries: attempts before the last one known of.
        eta_at: as sent; an instant without a zone is read as UTC.
        expires_at: the same.
        runtime_s: how long the attempt that succeeded ran.
        worker: node that had it last; ``None`` while only its sender is known.
        client: node that sent it.
        queue: where it was sent to; like the next two known from ``task-sent`` only.
        exchange: empty for the default one.
        routing_key: with Redis the name of the queue.
        is_terminated: it was revoked while it ran.
        is_expired: it was revoked because its time was over.
        clock: largest logical clock of its workers' events.
    """

    task_id: str
    name: str | None
    state: str
    state_at: datetime | None
    is_finished: bool
    args: str | None = field(repr=False)
    kwargs: str | None = field(repr=False)
    exception: str | None = field(repr=False)
    retries: int
    eta_at: datetime | None
    expires_at: datetime | None
    runtime_s: float | None
    sent_at: datetime | None
    received_at: datetime | None
    started_at: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    retried_at: datetime | None
    revoked_at: datetime | None
    rejected_at: datetime | None
    worker: str | None
    client: str | None
    queue: str | None
    exchange: str | None
    routing_key: str | None
    root_id: str | None
    parent_id: str | None
    is_terminated: bool
    is_expired: bool
    clock: int
