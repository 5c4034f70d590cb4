"""What became of a message that was to be published."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_TOO_LARGE = re.compile(r"message size (\d+) is larger than configured max size (\d+)")


class AmqpOutcome(Enum):
    """What is known of one message."""

    WRITTEN = "written"
    """The broker has confirmed it: it is in its queue, on disk if the queue is durable."""
    NOT_WRITTEN = "not-written"
    """It was never sent."""
    UNCERTAIN = "uncertain"
    """It was sent, and no confirmation came. Sent again it may be there twice, with the same task id."""
    REFUSED = "refused"
    """The broker answered that it did not take it; ``refusal`` says why."""


class Refusal(Enum):
    """Why a broker did not take a message."""

    NO_QUEUE = "no-queue"
    QUEUE_DIFFERS = "queue-differs"
    NOT_TAKEN = "not-taken"
    """A negative confirmation: the queue is full and rejects, or has failed."""
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too-large"

    @property
    def is_final(self) -> bool:
        """Say whether the same message will be refused for ever; the others end when an operator acts."""
        return self is Refusal.TOO_LARGE


class AmqpResult(NamedTuple):
    """Outcome of one message.

    Attributes:
        outcome: what is known.
        refusal: set if it was refused.
        reason: a sentence for whoever looks after the broker; empty if written.
    """

    outcome: AmqpOutcome
    refusal: Refusal | None = None
    reason: str = ""


WRITTEN = AmqpResult(AmqpOutcome.WRITTEN)


def not_written(reason: str) -> AmqpResult:
    """Say that a message was never sent."""
    return AmqpResult(AmqpOutcome.NOT_WRITTEN, None, reason)


def uncertain(reason: str) -> AmqpResult:
    """Say that a message was sent and no confirmation came."""
    return AmqpResult(AmqpOutcome.UNCERTAIN, None, reason)


def refused(refusal: Refusal, reason: str) -> AmqpResult:
    """Say that a message was not taken."""
    return AmqpResult(AmqpOutcome.REFUSED, refusal, reason)


def returned(exchange: str, routing_key: str, queue: str) -> AmqpResult:
    """Say that no queue took a message."""
    if not exchange:
        reason = f"no such queue: {queue or routing_key!r}"
    else:
        reason = f"no queue is bound to exchange {exchange!r} with routing key {routing_key!r}"
    return refused(Refusal.NO_QUEUE, reason)


def after_close(reply_text: str, size_bytes: int) -> AmqpResult:
    """Judge a message that was under way when the broker closed the channel.

    The broker closes the channel for one message, and which one it does not say, except by its size.

    Args:
        reply_text: what the broker gave as the reason.
        size_bytes: length of the message's body.
    """
    found = _TOO_LARGE.search(reply_text)
    if found and int(found[1]) == size_bytes:
        return refused(
            Refusal.TOO_LARGE, f"message of {size_bytes} bytes: the broker takes {found[2]} (max_message_size)"
        )
    return uncertain(f"the broker closed the channel ({reply_text})")
