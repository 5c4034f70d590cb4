"""Lists what the event stream told of tasks: filtered, the last changed first, a bounded number looked at. Pure.

It is done in steps of a few milliseconds, so that whoever has something to do at an instant gets its turn between them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TypeAlias

from daemon.desks.tasks import Deaf, Listing, Origin, Seen, TaskFilter
from daemon.dispatch.task_values import seen_of
from shim.events import EventState
from shim.events.record import TaskRecord

SCAN_LIMIT = 10_000
"""Tasks looked at for one page; it says where to look on."""

STEP, ID_STEP = 1_000, 20_000
"""Tasks judged, and ids compared, in one step."""

NEAR = 20_000
"""Changes that a page may lie back and be made in several steps; each of them walks over what is newer, so others take one."""

IDS_LIMIT = 1000
GAPS_SHOWN, NAMES_SHOWN = 20, 50
OriginOf: TypeAlias = Callable[[str, str | None], Origin | None]
QueueOf: TypeAlias = Callable[[str], str | None]
Judge: TypeAlias = Callable[[TaskRecord], bool]


def listing(
    state: EventState,
    wanted: TaskFilter,
    *,
    before: int | None,
    limit: int,
    origin_of: OriginOf,
    queue_of: QueueOf,
) -> Generator[None, None, Listing]:
    """Make one page, and return it after the last step; the state may change between two steps.

    Args:
        state: what was heard.
        wanted: which of them.
        before: changes with a number below it; ``None``: all.
        limit: how many.
        origin_of: says where a task came from, by id and name.
        queue_of: says where a task goes by its name, where no event told it.
    """
    name, names = _names(state, wanted.name)
    fits = _judge(wanted, names, origin_of, queue_of)
    found: list[TaskRecord] = []
    last, is_complete = before, False
    named = None
    if wanted.id_prefix:
        named = yield from _by_id(state, wanted.id_prefix)
    is_near = before is None or state.cursor - before <= NEAR
    step = STEP if is_near or named is not None else SCAN_LIMIT
    for _ in range(SCAN_LIMIT // step):
        if named is not None:
            source = _earlier(named, last)
        else:
            source = state.records(before=last, state=wanted.state, name=name, worker=wanted.worker)
        last, is_complete = _look(source, fits, found, limit, step, last)
        if is_complete or len(found) >= limit:
            break
        yield
    items = [_row(record, origin_of, queue_of) for record in found]
    gaps = [Deaf(gap.began_at, gap.ended_at, gap.reason) for gap in state.gaps][-GAPS_SHOWN:]
    failed = sorted(_failed(state).items(), key=lambda pair: (-pair[1], pair[0]))[:NAMES_SHOWN]
    return Listing(
        items,
        None if is_complete else last,
        is_complete or len(found) >= limit,
        _total(state, wanted, name),
        _kept_since(state),
        state.listening_since_at is not None,
        gaps,
        state.forgotten_tasks,
        dict(sorted(state.counts_by_state().items())),
        dict(failed),
    )


def _look(
    source: Iterator[TaskRecord], fits: Judge, found: list[TaskRecord], limit: int, step: int, last: int | None
) -> tuple[int | None, bool]:
    """Judge as many as one step may; give the change looked at last, and whether that was the end."""
    for looked, record in enumerate(source):
        if looked >= step or len(found) >= limit:
            return last, False
        last = record.changed
        if fits(record):
            found.append(record)
    return last, True


def _names(state: EventState, glob: str | None) -> tuple[str | None, frozenset[str] | None]:
    """Give the one name meant, or those a pattern means."""
    if glob is None:
        return None, None
    if not any(mark in glob for mark in "*?["):
        return glob, None
    return None, frozenset(name for name in state.counts_by_name() if fnmatchcase(name, glob))


def _judge(wanted: TaskFilter, names: frozenset[str] | None, origin_of: OriginOf, queue_of: QueueOf) -> Judge:
    """Make one judge of what is asked for: nothing is looked at that nobody asks for."""
    judges: list[Judge] = []
    if wanted.state is not None:
        judges.append(lambda record: record.state == wanted.state)
    if wanted.worker is not None:
        judges.append(lambda record: record.worker == wanted.worker)
    if names is not None:
        judges.append(lambda record: record.name in names)
    elif wanted.name is not None:
        judges.append(lambda record: record.name == wanted.name)
    if wanted.since is not None:
        since_s = wanted.since.timestamp()
        judges.append(lambda record: max(record.had[0], record.sent[0]) >= since_s)
    if wanted.queue is not None:
        judges.append(lambda record: _queue(record, queue_of) == wanted.queue)
    if wanted.origin:
        judges.append(_origin_judge(wanted.origin, origin_of))
    if len(judges) == 1:
        return judges[0]
    return lambda record: all(judge(record) for judge in judges)


def _origin_judge(wanted: str, origin_of: OriginOf) -> Judge:
    kind, _, name = wanted.partition(":")

    def fits(record: TaskRecord) -> bool:
        origin = origin_of(record.task_id, record.name or None)
        if origin is None:
            return kind == "other"
        return origin.kind == kind and name in ("", origin.name)

    return fits


def _queue(record: TaskRecord, queue_of: QueueOf) -> str | None:
    return record.sent[2] or record.sent[4] or (queue_of(record.name) if record.name else None)


def _by_id(state: EventState, prefix: str) -> Generator[None, None, list[TaskRecord]]:
    whole = state.record(prefix)
    if whole is not None:
        return [whole]
    ids, named = state.ids(), list[str]()
    for first in range(0, len(ids), ID_STEP):
        yield
        named += [task_id for task_id in ids[first : first + ID_STEP] if task_id.startswith(prefix)]
        if len(named) >= IDS_LIMIT:
            break
    return [record for record in map(state.record, named[:IDS_LIMIT]) if record is not None]


def _earlier(records: list[TaskRecord], before: int | None) -> Iterator[TaskRecord]:
    earlier = (record for record in records if before is None or record.changed < before)
    return iter(sorted(earlier, key=lambda record: -record.changed))


def _row(record: TaskRecord, origin_of: OriginOf, queue_of: QueueOf) -> tuple[Seen, Origin | None]:
    seen = seen_of(record, queue_of)
    return seen, origin_of(record.task_id, seen.name)


def _total(state: EventState, wanted: TaskFilter, name: str | None) -> int | None:
    traits = (wanted.state, wanted.name, wanted.queue, wanted.worker, wanted.since)
    asked = [trait for trait in traits if trait is not None]
    if wanted.id_prefix or wanted.origin or len(asked) > 1:
        return None
    if not asked:
        return state.tasks_count
    if wanted.state is not None:
        return state.counts_by_state().get(wanted.state, 0)
    if name is not None:
        return state.counts_by_name().get(name, 0)
    return state.counts_by_worker().get(wanted.worker, 0) if wanted.worker is not None else None


def _failed(state: EventState) -> dict[str, int]:
    """Count the failures among the newest tasks by name."""
    counts: dict[str, int] = {}
    for number, record in enumerate(state.records(state="FAILURE")):
        if number >= SCAN_LIMIT // 2:
            break
        if record.state == "FAILURE" and record.name:
            counts[record.name] = counts.get(record.name, 0) + 1
    return counts


def _kept_since(state: EventState) -> datetime | None:
    """Say from when on the list is whole: nothing was missed, and nothing forgotten."""
    since = state.listening_since_at
    if since is None:
        return None
    if not state.forgotten_tasks:
        return since
    eldest = state.eldest_s()
    return max(since, datetime.fromtimestamp(eldest, UTC)) if eldest else since
