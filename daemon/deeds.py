"""What is kept in the audit trail: who did what, or was refused, and when. Values; what writes them is ``daemon/audit``.

They hold names, addresses and codes; nothing that came in a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.public import Public

_NOTHING = Public("")


class DeedKind(Enum):
    """What was done, or tried."""

    DAEMON_STARTED = "daemon-started"
    DAEMON_STOPPED = "daemon-stopped"
    NODE_REFUSED = "node-refused"
    """A connection was not admitted: by its address, in the TLS handshake, by its certificate."""
    SENDER_REFUSED = "sender-refused"
    """A peer sent what it is not permitted to send."""
    CERTIFICATE_CHANGED = "certificate-changed"
    MESSAGES_SEARCHED = "messages-searched"
    """Messages were looked for by a patient."""
    MESSAGE_REVEALED = "message-revealed"
    MESSAGES_EXPORTED = "messages-exported"
    MESSAGES_REPLAYED = "messages-replayed"
    MESSAGES_RELEASED = "messages-released"
    FEED_PAUSED = "feed-paused"
    FEED_RESUMED = "feed-resumed"
    PEER_DISCONNECTED = "peer-disconnected"


class Outcome(Enum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Deed:
    """One deed.

    Attributes:
        who: a person or a node: a user, the subject of a certificate, a peer's label; empty if nobody knows.
        about: a feed, or what else it was done to.
        reason: a code, where it was refused.
        address: where it came from.
        count: how often, where several are told of at once.
        note: what the one who did it gave as a reason, numbers of messages; in an operator's own words.
    """

    kind: DeedKind
    who: Public
    about: Public
    outcome: Outcome = Outcome.DONE
    reason: Public = _NOTHING
    address: Public = _NOTHING
    count: int = 1
    note: Public = _NOTHING
