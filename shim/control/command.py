"""A command to the bytes that every node of the namespace receives (``kombu/pidbox.py``, ``Mailbox._publish``).

Answers are asked for through the anonymous exchange: a node then pushes its answer to the list that is named, whatever
bindings other clients have made or swept away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shim import option
from shim.control.audience import Audience
from shim.control.message import write_message
from shim.errors import RequestInvalid
from shim.value import Json

FANOUT_PREFIX = "/{db}."
NAMESPACE = "celery"
PERSISTENT = 2
"""Kombu's default for an exchange that is given by its name; nothing on Redis reads it."""

COUNT_LISTENERS = """\
local heard = redis.call('PUBLISH', ARGV[1], ARGV[2])
local beside = redis.call('PUBLISH', ARGV[3], '')
local named = redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2]
return {heard, beside + named}
"""
"""Publishes a command and counts, in the same instant, who heard it and who of them is no node.

Nodes listen by PSUBSCRIBE to the channel's exact name. Whoever listens by SUBSCRIBE is none, and neither is whoever hears a
neighbouring channel too: it listens by a wider pattern.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """What nodes shall do.

    Attributes:
        method: name in the panel of remote control commands (``celery/worker/control.py``).
        arguments: keyword arguments of the method; not part of the representation.
    """

    method: str
    arguments: Mapping[str, Json] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse a name that is none.

        Raises:
            RequestInvalid: as it says.
        """
        option.name(self.method, "method")


def control_channel(
    database: int, *, key_prefix: str = "", namespace: str = NAMESPACE, fanout_prefix: str = FANOUT_PREFIX
) -> str:
    """Name the channel that carries the commands.

    Args:
        database: number of the broker's database.
        key_prefix: ``global_keyprefix``.
        namespace: ``control_exchange`` of the workers.
        fanout_prefix: the transport option of that name; empty if workers have turned it off. Behind Sentinel, kombu
            before 5.4 did not fill in the database: ``/{{db}}.`` leads to such workers.

    Raises:
        RequestInvalid: a namespace that is no name, or a prefix with other fields than ``{db}``.
    """
    option.name(namespace, "namespace")
    try:
        prefix = fanout_prefix.format(db=database)
    except (LookupError, ValueError, AttributeError):
        message = "fanout_prefix: only {db} can be filled in"
        raise RequestInvalid(message, hint="write other braces twice") from None
    return f"{key_prefix}{prefix}{namespace}.pidbox"


def neighbour_of(channel: str) -> str:
    """Name a channel that nobody uses and that any pattern wider than ``channel`` matches too."""
    return f"{channel[:-1]}_"


def write_command(
    command: Command,
    audience: Audience,
    *,
    namespace: str,
    clock: int,
    delivery_tag: str,
    reply_to: str | None,
) -> bytes:
    """Build the message of ``command``.

    ``delivery_tag`` is the ticket as well, which answers are told apart by. The header ``expires``, which nobody reads, is
    left out.

    Args:
        command: what to do.
        audience: whom it is for.
        namespace: ``control_exchange`` of the workers.
        clock: logical clock of the sender.
        delivery_tag: unique for each message.
        reply_to: queue that answers are pushed to, without ``global_keyprefix``; ``None`` asks for none.

    Raises:
        RequestInvalid: text with lone surrogates.
    """
    body: dict[str, Json] = {
        "method": command.method,
        "arguments": command.arguments,
        "destination": audience.destination,
        "pattern": audience.pattern,
        "matcher": audience.matcher if audience.pattern is not None else None,
    }
    if reply_to is not None:
        body["ticket"] = delivery_tag
        body["reply_to"] = {"exchange": "", "routing_key": reply_to}
    return write_message(
        body,
        headers={"clock": clock},
        exchange=f"{namespace}.pidbox",
        routing_key="",
        delivery_mode=PERSISTENT,
        delivery_tag=delivery_tag,
    )
