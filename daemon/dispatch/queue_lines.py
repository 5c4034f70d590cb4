"""Queues as pages show them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from daemon.desks import Band, ParkedPurge, QueueLine, WaitingMessage
from daemon.dispatch.feeding import NOBODY, Fed
from daemon.dispatch.queue_history import QueueHistory, judged
from shim.queues import Backlog, Parked, QueuedMessage


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of queues beside what lies in them.

    Attributes:
        fed: who sends to each.
        consumers: workers that take from each.
        is_sure: whether all workers have said so.
        held: queues whose consumers were told to stop.
        parked: purges that can be undone.
        steps: priority steps, the one served first in front.
    """

    fed: Mapping[str, Fed]
    consumers: Mapping[str, Sequence[str]]
    is_sure: bool
    held: Collection[str]
    parked: Sequence[Parked]
    steps: Sequence[int]


def queue_line(backlog: Backlog, around: Around, history: QueueHistory, at: datetime) -> QueueLine:
    """Describe a queue in a line."""
    name = backlog.queue
    fed = around.fed.get(name, NOBODY)
    consumers = tuple(around.consumers.get(name, ()))
    count = len(consumers) if consumers or around.is_sure or backlog.is_unserved else None
    is_held = name in around.held and not consumers
    into, out = history.rates(name)
    age = backlog.oldest_age(at)
    return QueueLine(
        name=name,
        state=judged(
            history,
            name,
            is_blocked=bool(backlog.blocked_keys),
            is_held=is_held,
            consumers=count,
            is_sure=around.is_sure or backlog.is_unserved,
        ),
        waiting=backlog.waiting,
        oldest_at=backlog.oldest_sent_at,
        oldest_age_s=None if age is None else age.total_seconds(),
        unacked=backlog.unacked,
        in_per_min=into,
        out_per_min=out,
        empties_in_s=empties_in_s(backlog.waiting, into, out),
        consumers=consumers,
        consumer_count=count,
        is_held=is_held,
        entries=fed.entries,
        entry_names=fed.entry_names,
        feeds=fed.feeds,
        bands=tuple(Band(step, waiting) for step, waiting in zip(around.steps, backlog.by_step, strict=False)),
        history=history.strip(name, at),
        parked=sum(one.queue == name for one in around.parked),
    )


def empties_in_s(waiting: int, into: float | None, out: float | None) -> float | None:
    """Say how long it takes until nothing waits, at these rates by the minute; ``None``: never, or nobody knows."""
    if into is None or out is None or not waiting or out <= into:
        return None
    return waiting / (out - into) * 60.0


def parked_purges(parked: Iterable[Parked], queue: str) -> tuple[ParkedPurge, ...]:
    """List the purges of one queue that can be undone."""
    return tuple(
        ParkedPurge(one.token, one.count, one.parked_at, one.kept_until_at) for one in parked if one.queue == queue
    )


def waiting_message(message: QueuedMessage, at: datetime) -> WaitingMessage:
    """Describe a message that waits; nothing of its body."""
    age = None if message.sent_at is None else max((at - message.sent_at).total_seconds(), 0.0)
    return WaitingMessage(
        message.task,
        message.task_id,
        message.priority,
        message.sent_at,
        age,
        message.eta_at,
        message.expires_at,
        message.retries,
        message.size_bytes,
        message.was_redelivered,
        message.is_readable,
    )
