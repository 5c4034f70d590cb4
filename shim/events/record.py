"""One task while its events come in, whatever their order.

Each rule keeps the greater of two tuples, instant first. So the outcome depends neither on the order of events nor on how
often one arrives (a join; ties are broken by what the tuples hold, which has no meaning but is always the same).

The state follows Celery's precedence (``celery/states.py``). A finished state is never taken back, and what happened
before the last retry counts no more. Clocks of two hosts that differ can make a task that waits for its next attempt look
as if it ran, or the other way round, until it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from shim.events.message import NAME_LIMIT, Event
from shim.events.task import FAILURE, PENDING, RECEIVED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS, Task

TEXT_LIMIT = 1024
"""Characters kept of arguments and exceptions; Celery cuts its own representations there too."""
INSTANT_LIMIT = 64
"""Characters of an ISO 8601 instant that is read."""
COUNT_LIMIT = 2**63 - 1
"""Numbers beyond are taken for damage."""

Fields = Mapping[str, object]


class TaskRecord:
    """What is kept of a task. Instants are seconds since the epoch, on the sender's clock; 0 stands for never.

    Attributes:
        described: retries, whether a worker said it, when; name, args, kwargs, root id, parent id, eta, expires.
        sent: when; client, queue, exchange, routing key.
        succeeded: when; runtime, -1 if it was not told.
        excepted: when; whether it was a failure, and the exception.
        custom: when; the state of a custom event.
        had: when a worker told anything of it; which worker.
        name: name of the task, or nothing.
        worker: worker that had it last, or nothing.
        changed: number of its last change. Not merged, and the only thing that depends on the order.
    """

    __slots__ = (
        "changed", "clock", "custom", "described", "excepted", "failed_s", "had", "is_expired", "is_finished",
        "is_terminated", "name", "received_s", "rejected_s", "retried_s", "revoked_s", "sent", "started_s", "state", "succeeded",
        "task_id", "worker",
    )  # fmt: skip

    def __init__(self, task_id: str) -> None:
        """Begin with nothing known but the id."""
        self.task_id = task_id
        self.state = PENDING
        self.name = self.worker = ""
        self.changed = self.clock = 0
        self.described = (0, False, 0.0, "", "", "", "", "", "", "")
        self.sent = (0.0, "", "", "", "")
        self.succeeded = (0.0, -1.0)
        self.excepted = (0.0, False, "")
        self.custom = self.had = (0.0, "")
        self.received_s = self.started_s = self.failed_s = self.retried_s = self.revoked_s = self.rejected_s = 0.0
        self.is_finished = self.is_terminated = self.is_expired = False

    def merge(self, event: Event) -> bool:
        """Take in one event; say whether it told anything new."""
        kind, hostname, at_s, _, fields = event
        if kind == "task-sent":
            is_new = _sent(self, hostname, at_s, fields)
        else:
            rule = _RULES.get(kind)
            is_new = rule(self, at_s, fields) if rule is not None else _custom(self, kind, at_s)
            had = (at_s, hostname)
            if had > self.had:
                self.had, self.worker, is_new = had, hostname, True
            clock = fields.get("clock")
            if type(clock) is int and self.clock < clock <= COUNT_LIMIT:
                self.clock, is_new = clock, True
        if is_new:
            self.state = _state(self)
        return is_new

    def view(self) -> Task:
        """Give what is known now as a value."""
        retries, _, _, _, args, kwargs, root_id, parent_id, eta, expires = self.described
        sent_s, client, queue, exchange, routing_key = self.sent
        succeeded_s, runtime_s = self.succeeded
        return Task(
            task_id=self.task_id,
            name=self.name or None,
            state=self.state,
            state_at=_instant(self.state_s()),
            is_finished=self.is_finished,
            args=args or None,
            kwargs=kwargs or None,
            exception=self.excepted[2] or None,
            retries=retries,
            eta_at=_parsed(eta),
            expires_at=_parsed(expires),
            runtime_s=None if runtime_s < 0 else runtime_s,
            sent_at=_instant(sent_s),
            received_at=_instant(self.received_s),
            started_at=_instant(self.started_s),
            succeeded_at=_instant(succeeded_s),
            failed_at=_instant(self.failed_s),
            retried_at=_instant(self.retried_s),
            revoked_at=_instant(self.revoked_s),
            rejected_at=_instant(self.rejected_s),
            worker=self.worker or None,
            client=client or None,
            queue=queue or None,
            exchange=exchange if sent_s else None,
            routing_key=routing_key or None,
            root_id=root_id or None,
            parent_id=parent_id or None,
            is_terminated=self.is_terminated,
            is_expired=self.is_expired,
            clock=self.clock,
        )

    def state_s(self) -> float:
        """Give when it came into its state; 0 while nothing tells."""
        known = {
            SUCCESS: self.succeeded[0],
            FAILURE: self.failed_s,
            REVOKED: self.revoked_s,
            STARTED: self.started_s,
            RECEIVED: self.received_s,
            REJECTED: self.rejected_s,
            RETRY: self.retried_s,
            PENDING: self.sent[0],
        }
        return known.get(self.state, self.custom[0])


def _state(record: TaskRecord) -> str:  # noqa: PLR0911 - Celery's precedence, from above
    record.is_finished = True
    if record.succeeded[0]:
        return SUCCESS
    if record.failed_s:
        return FAILURE
    retried_s = record.retried_s
    record.is_finished = record.revoked_s > 0
    if record.custom[0] > retried_s:
        return record.custom[1]
    if record.is_finished:
        return REVOKED
    if record.started_s > retried_s:
        return STARTED
    if record.received_s > retried_s:
        return RECEIVED
    if record.rejected_s > retried_s:
        return REJECTED
    return RETRY if retried_s else PENDING


# -- rules: one for each kind of event ---------------------------------------------------------------------------------


def _sent(record: TaskRecord, hostname: str, at_s: float, fields: Fields) -> bool:
    is_new = _describe(record, at_s, fields, is_worker=False)
    names = [_text(fields.get(name), NAME_LIMIT) for name in ("queue", "exchange", "routing_key")]
    sent = (at_s, hostname, names[0], names[1], names[2])
    if sent > record.sent:
        record.sent = sent
        return True
    return is_new


def _received(record: TaskRecord, at_s: float, fields: Fields) -> bool:
    is_new = _describe(record, at_s, fields, is_worker=True)
    if at_s > record.received_s:
        record.received_s = at_s
        return True
    return is_new


def _started(record: TaskRecord, at_s: float, _: Fields) -> bool:
    if at_s > record.started_s:
        record.started_s = at_s
        return True
    return False


def _succeeded(record: TaskRecord, at_s: float, fields: Fields) -> bool:
    succeeded = (at_s, _seconds(fields.get("runtime")))
    if succeeded > record.succeeded:
        record.succeeded = succeeded
        return True
    return False


def _failed(record: TaskRecord, at_s: float, fields: Fields) -> bool:
    is_new = _except(record, at_s, fields, is_failure=True)
    if at_s > record.failed_s:
        record.failed_s = at_s
        return True
    return is_new


def _retried(record: TaskRecord, at_s: float, fields: Fields) -> bool:
    is_new = _except(record, at_s, fields, is_failure=False)
    if at_s > record.retried_s:
        record.retried_s = at_s
        return True
    return is_new


def _revoked(record: TaskRecord, at_s: float, fields: Fields) -> bool:
    before = (record.revoked_s, record.is_terminated, record.is_expired)
    record.revoked_s = max(record.revoked_s, at_s)
    record.is_terminated |= fields.get("terminated") is True
    record.is_expired |= fields.get("expired") is True
    return before != (record.revoked_s, record.is_terminated, record.is_expired)


def _rejected(record: TaskRecord, at_s: float, _: Fields) -> bool:
    if at_s > record.rejected_s:
        record.rejected_s = at_s
        return True
    return False


def _custom(record: TaskRecord, kind: str, at_s: float) -> bool:
    custom = (at_s, kind[5:].upper())
    if custom > record.custom:
        record.custom = custom
        return True
    return False


_RULES: Mapping[str, Callable[[TaskRecord, float, Fields], bool]] = {
    "task-received": _received,
    "task-started": _started,
    "task-succeeded": _succeeded,
    "task-failed": _failed,
    "task-retried": _retried,
    "task-revoked": _revoked,
    "task-rejected": _rejected,
}


def _describe(record: TaskRecord, at_s: float, fields: Fields, *, is_worker: bool) -> bool:
    # A worker's word comes before the sender's, and a later attempt's before both.
    get = fields.get
    described = (
        _count(get("retries")),
        is_worker,
        at_s,
        _text(get("name"), NAME_LIMIT),
        _text(get("args"), TEXT_LIMIT),
        _text(get("kwargs"), TEXT_LIMIT),
        _text(get("root_id"), NAME_LIMIT),
        _text(get("parent_id"), NAME_LIMIT),
        _text(get("eta"), INSTANT_LIMIT),
        _text(get("expires"), INSTANT_LIMIT),
    )
    if described > record.described:
        record.described, record.name = described, described[3]
        return True
    return False


def _except(record: TaskRecord, at_s: float, fields: Fields, *, is_failure: bool) -> bool:
    excepted = (at_s, is_failure, _text(fields.get("exception"), TEXT_LIMIT))
    if excepted > record.excepted:
        record.excepted = excepted
        return True
    return False


# -- values ------------------------------------------------------------------------------------------------------------


def _text(value: object, limit: int) -> str:
    return value[:limit] if type(value) is str else ""


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= COUNT_LIMIT else 0


def _seconds(value: object) -> float:
    return value if (type(value) is float or type(value) is int) and 0 <= value <= COUNT_LIMIT else -1.0


def _instant(at_s: float) -> datetime | None:
    return datetime.fromtimestamp(at_s, UTC) if at_s else None


def _parsed(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
