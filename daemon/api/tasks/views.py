"""Tasks as they are answered: states, timings and shapes; contents where they may be seen. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from daemon.api.http.caller import Caller, Capability, Role
from daemon.api.http.page import cursor
from daemon.api.tasks.bodies import (
    GapRow,
    ProgressBody,
    TaskContents,
    TaskDetail,
    TaskPage,
    TaskRow,
    TaskSent,
    TaskStatus,
)
from daemon.api.tasks.sight import fragment, shape_of
from daemon.api.tasks.words import error_text, exception_text, percent_of, plain_result, successful, text_of, type_shown
from daemon.desks.tasks import Listing, Origin, Outcome, Seen, Standing

REVOKE, TERMINATE, RETRY, REVEAL = "revoke", "terminate", "retry", "reveal"
_CUT = ("...", "…", "<")


def page_of(listing: Listing, caller: Caller) -> TaskPage:
    """Describe a page of the list."""
    return TaskPage(
        [row_of(seen, origin, caller) for seen, origin in listing.items],
        None if listing.next is None else cursor(listing.next),
        listing.total,
        listing.is_complete,
        listing.kept_since,
        listing.is_listening,
        [GapRow(gap.began_at, gap.ended_at, gap.reason) for gap in listing.gaps],
        listing.forgotten,
        listing.by_state,
        listing.failed_by_name,
    )


def row_of(seen: Seen, origin: Origin | None, caller: Caller) -> TaskRow:
    """Describe a task in a line."""
    return TaskRow(
        seen.task_id,
        seen.name,
        seen.state,
        seen.is_finished,
        seen.queue,
        seen.worker,
        seen.client,
        seen.state_at,
        seen.sent_at,
        seen.received_at,
        seen.started_at,
        seen.ended_at,
        seen.eta_at,
        seen.expires_at,
        _wait_s(seen),
        seen.runtime_s if seen.runtime_s is not None else _between_s(seen.started_at, seen.ended_at),
        seen.retries,
        seen.root_id,
        seen.parent_id,
        origin,
        seen.is_terminated,
        seen.is_expired,
        _actions(caller, is_finished=seen.is_finished, can_retry=_is_whole(seen)),
    )


def detail_of(standing: Standing, caller: Caller, remembered_s: float, *, is_own: bool) -> TaskDetail:
    """Describe a task without what it holds."""
    seen, outcome, sent = standing.seen or _nothing(standing.task_id), standing.outcome or _NO_OUTCOME, standing.sent
    failure, fraction = outcome.failure, outcome.fraction
    arguments = arguments_of(standing)
    finished = standing.is_ready or seen.is_finished
    return TaskDetail(
        standing.task_id,
        standing.name,
        standing.state,
        text_of(standing, shows=False),
        standing.is_ready,
        successful(standing.state),
        finished,
        None if fraction is None else ProgressBody(fraction, percent_of(standing)),
        seen.queue or outcome.queue or (sent.queues[0] if sent is not None and sent.queues else None),
        outcome.worker or seen.worker,
        seen.client,
        max(seen.retries, outcome.retries or 0),
        seen.sent_at or (sent.at if sent is not None else None),
        seen.received_at,
        seen.started_at,
        seen.retried_at,
        seen.ended_at or outcome.done_at,
        seen.eta_at,
        seen.expires_at,
        outcome.done_at,
        _wait_s(seen),
        seen.runtime_s if seen.runtime_s is not None else _between_s(seen.started_at, seen.ended_at),
        seen.root_id,
        outcome.parent_id or seen.parent_id,
        outcome.group_id,
        outcome.children,
        standing.origin,
        None if sent is None else sent.by,
        type_shown(failure),
        failure is not None and failure.is_poisoned,
        bool(outcome.reason),
        outcome.reason or None,
        None if arguments is None else shape_of(arguments[0]),
        None if arguments is None else shape_of(arguments[1], with_names=True),
        shape_of(outcome.result) if outcome.failure is None else None,
        (outcome.traceback or "").count("\n"),
        seen.is_terminated,
        seen.is_expired,
        remembered_until(standing, remembered_s),
        _actions(caller, is_finished=finished, can_retry=arguments is not None, is_own=is_own, can_reveal=True),
    )


def status_of(standing: Standing, *, shows: bool, remembered_s: float) -> TaskStatus:
    """Describe how a task stands; with ``shows`` with what it holds."""
    outcome = standing.outcome
    state = standing.state
    if outcome is None:
        return TaskStatus(
            standing.task_id,
            state,
            standing.is_ready,
            successful(state) if standing.is_ready else None,
            text_of(standing, shows=False),
            percent_of(standing),
            None,
            None,
            None,
            False,  # noqa: FBT003 - nothing is there
            None,
            False,  # noqa: FBT003 - the same
            remembered_until(standing, remembered_s),
        )
    failure = outcome.failure
    return TaskStatus(
        standing.task_id,
        state,
        standing.is_ready,
        successful(state),
        text_of(standing, shows=shows),
        percent_of(standing),
        fragment(outcome.result) if shows and outcome.is_custom else None,
        fragment(plain_result(outcome.result)) if shows and state == "SUCCESS" else None,
        error_text(outcome) if shows else None,
        not shows and holds(outcome),
        type_shown(failure),
        failure is not None and failure.is_poisoned,
        remembered_until(standing, remembered_s),
    )


def holds(outcome: Outcome) -> bool:
    """Say whether there is anything in it that is the task's own."""
    return outcome.result is not None and (outcome.is_custom or outcome.state in ("SUCCESS", "FAILURE"))


def contents_of(standing: Standing) -> TaskContents:
    """Give all that a task holds."""
    outcome, seen = standing.outcome or _NO_OUTCOME, standing.seen
    arguments = (outcome.args, outcome.kwargs) if outcome.has_arguments else None
    is_text = arguments is None and seen is not None and (seen.args_text or seen.kwargs_text) is not None
    if is_text and seen is not None:
        arguments = (seen.args_text, seen.kwargs_text)
    args, kwargs = arguments or (None, None)
    heard = seen.exception_text if seen is not None else None
    return TaskContents(
        standing.task_id,
        standing.name,
        fragment(args),
        fragment(kwargs),
        is_text,
        fragment(outcome.result) if outcome.failure is None or outcome.failure.is_poisoned else None,
        exception_text(outcome.failure) if outcome.failure is not None else heard,
        outcome.traceback,
    )


def sent_of(task_id: str, name: str, queues: Sequence[str], outcome: Outcome | None, *, shows: bool) -> TaskSent:
    """Describe a task that was sent, and how it ended if that is known."""
    status, message = "processing", "the task has been sent"
    if outcome is not None:
        status = "completed" if outcome.state == "SUCCESS" else "failed"
        message = "the task returned" if outcome.state == "SUCCESS" else f"the task ended as {outcome.state}"
    base = f"/api/tasks/{task_id}"
    return TaskSent(
        task_id,
        name,
        status,
        message,
        f"{base}/status",
        f"{base}/result",
        f"/api/ws/tasks/{task_id}",
        tuple(queues),
        None if outcome is None else outcome.state,
        fragment(outcome.result) if outcome is not None and shows and outcome.state == "SUCCESS" else None,
        error_text(outcome) if outcome is not None and shows else None,
        outcome is not None and not shows and holds(outcome),
    )


def remembered_until(standing: Standing, remembered_s: float) -> datetime | None:
    """Say when what is stored of a task is forgotten, as far as that is known."""
    outcome, sent = standing.outcome, standing.sent
    since = outcome.done_at if outcome is not None and outcome.done_at is not None else None
    since = since or (sent.at if sent is not None else None)
    return None if since is None else since + timedelta(seconds=remembered_s)


def arguments_of(standing: Standing) -> tuple[Sequence[Any], Mapping[str, Any]] | None:
    """Give what a task was called with, if that is known whole; ``None`` if not.

    Workers store it with ``result_extended``. Events hold a representation, which says it all if it was not cut and holds
    plain values alone.
    """
    outcome = standing.outcome
    if outcome is not None and outcome.has_arguments:
        args, kwargs = outcome.args or [], outcome.kwargs or {}
        return (args, kwargs) if isinstance(args, (list, tuple)) and isinstance(kwargs, Mapping) else None
    return None if standing.seen is None else _texts(standing.seen)


def _is_whole(seen: Seen) -> bool:
    texts = (seen.args_text, seen.kwargs_text)
    return not any(text is None or any(mark in text for mark in _CUT) for text in texts)


def _texts(seen: Seen) -> tuple[Sequence[Any], Mapping[str, Any]] | None:
    if not _is_whole(seen):
        return None
    try:
        args, kwargs = (ast.literal_eval(text or "") for text in (seen.args_text, seen.kwargs_text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
        return None
    return (args, kwargs) if all(isinstance(name, str) for name in kwargs) else None


def _actions(
    caller: Caller, *, is_finished: bool, can_retry: bool, is_own: bool = False, can_reveal: bool = False
) -> tuple[str, ...]:
    found = []
    if caller.is_read_only:
        can_retry = is_own = False
    if not is_finished and (caller.may_change(Role.OPERATOR) or is_own):
        found += [REVOKE, TERMINATE]
    if can_retry and is_finished and caller.may_change(Role.OPERATOR):
        found.append(RETRY)
    if can_reveal and (caller.has(Capability.PHI) or caller.may_confirm):
        found.append(REVEAL)
    return tuple(found)


def _wait_s(seen: Seen) -> float | None:
    return _between_s(seen.sent_at or seen.received_at, seen.started_at)


def _between_s(first: datetime | None, last: datetime | None) -> float | None:
    return None if first is None or last is None else max((last - first).total_seconds(), 0.0)


_NO_OUTCOME = Outcome("")


def _nothing(task_id: str) -> Seen:
    absent: dict[str, Any] = dict.fromkeys(
        (
            *("name", "queue", "worker", "client", "state_at", "sent_at", "received_at", "started_at", "retried_at"),
            *("ended_at", "eta_at", "expires_at", "runtime_s", "root_id", "parent_id"),
        )
    )
    return Seen(
        task_id=task_id,
        number=0,
        state="",
        is_finished=False,
        retries=0,
        is_terminated=False,
        is_expired=False,
        **absent,
    )
