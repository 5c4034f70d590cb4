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
    ENTRY_ADDED = "entry-added"
    ENTRY_CHANGED = "entry-changed"
    ENTRY_REMOVED = "entry-removed"
    ENTRY_PAUSED = "entry-paused"
    ENTRY_RESUMED = "entry-resumed"
    ENTRY_RUN = "entry-run"
    """An entry was run out of turn."""
    SCHEDULE_HELD = "schedule-held"
    SCHEDULE_RELEASED = "schedule-released"
    TASK_SENT = "task-sent"
    TASK_REVOKED = "task-revoked"
    TASK_REVEALED = "task-revealed"
    """Arguments, result or failure of a task were shown."""
    QUEUE_PURGED = "queue-purged"
    QUEUE_MOVED = "queue-moved"
    """Messages were put at the end of another queue."""
    QUEUE_RESTORED = "queue-restored"
    QUEUE_REVEALED = "queue-revealed"
    WORKER_COMMANDED = "worker-commanded"
    ALERT_SILENCED = "alert-silenced"
    TOKEN_ADDED = "token-added"  # noqa: S105 - a word, not a secret
    TOKEN_REMOVED = "token-removed"  # noqa: S105 - the same
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    SIGN_IN_REFUSED = "sign-in-refused"
    ACCESS_REFUSED = "access-refused"
    """Somebody who is known asked for what they may not."""


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
        role: with which role it was done; empty for what no caller did.
        before, after: what was changed, as it stood and stands; names, states and settings, never contents.
    """

    kind: DeedKind
    who: Public
    about: Public
    outcome: Outcome = Outcome.DONE
    reason: Public = _NOTHING
    address: Public = _NOTHING
    count: int = 1
    note: Public = _NOTHING
    role: Public = _NOTHING
    before: Public = _NOTHING
    after: Public = _NOTHING
