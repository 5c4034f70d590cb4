"""Canvases sent through celery itself: nested ones, chords of other back-ends, signed ones."""

from __future__ import annotations

from typing import Any, NamedTuple

from shim.errors import RequestInvalid
from shim.foreign.app import connect, drop_connections
from shim.foreign.errors import ForeignUncertain, foreign_error
from shim.foreign.thread import DEADLINE_S, ForeignThread
from shim.signature import Signature


class SentCanvas(NamedTuple):
    """What celery made of a canvas.

    Attributes:
        result_id: of the last result: a task's, or a group's; ``None`` of an empty canvas.
        member_ids: of the last result if it is a group, in order.
        task_ids: every task whose id is known beforehand, each before what follows it.
    """

    result_id: str | None
    member_ids: tuple[str, ...]
    task_ids: tuple[str, ...]


class ForeignCanvas:
    """Sends a canvas that is given as a signature, from the thread."""

    def __init__(self, thread: ForeignThread[Any], *, deadline_s: float = DEADLINE_S) -> None:
        """Keep the thread; nothing is opened here."""
        self._thread = thread
        self._deadline_s = deadline_s

    async def send(self, canvas: Signature) -> SentCanvas:
        """Have celery send ``canvas``, as ``apply_async`` of the same signature would.

        Celery sends the messages of a canvas one by one. What fails between two of them leaves a part that runs, and a chord
        whose body never does.

        Raises:
            RequestInvalid: a part of it no worker could take, or nothing to run in it; nothing was sent.
            ForeignUncertain: it failed on the way, or no answer came in time; a part of it may be sent.
            ForeignFailed: there was no connection; nothing was sent.
            ForeignBusy, ForeignClosed, ForeignMissing: nothing was sent.
        """
        written, chords = canvas.as_json(), _has_chords(canvas)
        return await self._thread.call(
            "canvas", lambda app: _apply(app, written, chords=chords), deadline_s=self._deadline_s
        )


def _has_chords(canvas: Signature) -> bool:
    """Say whether celery makes a chord anywhere in it; a group that something follows becomes one."""
    if canvas.subtask_type == "chord":
        return True
    parts = _parts(canvas)
    groups = [part for part in parts[:-1] if part.subtask_type == "group"]
    return (canvas.subtask_type == "chain" and bool(groups)) or any(_has_chords(part) for part in parts)


def _parts(canvas: Signature) -> list[Signature]:
    tasks = canvas.kwargs.get("tasks") if canvas.subtask_type in ("chain", "group") else None
    return [tasks] if isinstance(tasks, Signature) else list(tasks or ())


# -- in the thread -----------------------------------------------------------------------------------------------------


def _apply(app: Any, written: dict[str, Any], *, chords: bool) -> SentCanvas:
    from celery.canvas import Signature as CelerySignature  # noqa: PLC0415 - only in the thread may it be loaded

    try:
        if chords:
            _check_chords(app.backend)
        with app.producer_or_acquire() as producer:
            connect(app, producer.connection)
    except Exception as error:  # noqa: BLE001 - of celery, kombu and libraries; they have no common root
        drop_connections(app)
        raise foreign_error("canvas", error) from None
    try:
        result = CelerySignature.from_dict(written, app=app).apply_async()
    except Exception as error:  # noqa: BLE001 - as above
        drop_connections(app)
        raise ForeignUncertain(str(foreign_error("canvas", error)), hint="a part of it may have been sent") from None
    if result is None:
        return SentCanvas(None, (), ())
    members = getattr(result, "results", None) or ()
    return SentCanvas(result.id, tuple(member.id for member in members), _task_ids(result))


def _check_chords(backend: Any) -> None:
    try:
        backend.ensure_chords_allowed()
    except NotImplementedError:
        message = "canvas: this result back-end cannot do chords"
        raise RequestInvalid(message, hint="Redis, databases and most others can; rpc:// and none cannot") from None


def _task_ids(result: Any) -> tuple[str, ...]:
    """Name the tasks behind a result, by a walk without recursion: a chain of a thousand has as many parents."""
    found: dict[str, None] = {}
    left = [result]
    while left:
        one = left.pop()
        if one.parent is not None:
            left.append(one.parent)
        members = getattr(one, "results", None)
        if members is None:
            found[one.id] = None
        else:
            left += members
    return tuple(reversed(found))
