"""Every name the daemon uses in the broker, built in one place. Format version 1.

carillon:1:SITE:entries            hash   entry id → horizon (``revision:instant:since:runs``)
carillon:1:SITE:once:DAY           hash   the same of one-off entries due on that day; kept for a week
carillon:1:SITE:slots:SCOPE        zset   task id → when its place is let go by itself (microseconds)
carillon:1:SITE:running            hash   task id → scopes of the slots it holds, one each line
carillon:1:SITE:rate:SCOPE         string the instant up to which a rate is used up (microseconds)
carillon:1:SITE:hold               string why all schedules are held (JSON); there while they are
carillon:1:SITE:history            stream what became of occurrences
carillon:1:SITE:overrides          hash   entry id → fields that someone changed at run time (JSON)
carillon:1:SITE:added              hash   entry id → an entry that was added at run time (JSON)
carillon:1:SITE:looks              zset   id of an added entry → when to look at it next (microseconds), or before
carillon:1:SITE:changed            string counts changes of the three
carillon:1:SITE:changes            channel tells of each: the count, which of the first two, the ids (JSON)
carillon:1:SITE:daemons            hash   daemon → when it was last alive (JSON)
carillon:1:SITE:alerts             hash   what was missed → which daemon told of it
carillon:1:SITE:sent:TASKID        string who sent a task through the API (JSON); kept as long as its result
carillon:1:SITE:feed:FEED:EPOCH    hash   ``seq`` → sequence number of the last message pushed

On RabbitMQ the ledgers of these names lie in a file, and the broker has two queues:

carillon.SITE.daemon               exclusive: of the daemon that runs the schedule
carillon.SITE.ledger               one message: the entries' ledger, for the daemon that runs it next
"""

from __future__ import annotations

import hashlib
import uuid
from enum import Enum

from daemon.public import Public

PREFIX = "carillon:1"
SEQUENCE_FIELD = "seq"
MARK_TTL_S = 90 * 86_400
"""Marks outlive the spool's retention, so a mark that is gone means the broker lost it."""

ONCE_TTL_S = 7 * 86_400
DAY_US = 86_400_000_000


class SiteKey(Enum):
    """Keys of which a site has one."""

    RUNNING = "running"
    HOLD = "hold"
    HISTORY = "history"
    OVERRIDES = "overrides"
    ADDED = "added"
    LOOKS = "looks"
    CHANGED = "changed"
    CHANGES = "changes"
    DAEMONS = "daemons"
    ALERTS = "alerts"


_OCCURRENCE = uuid.uuid5(uuid.NAMESPACE_URL, "carillon:occurrence").bytes
_MESSAGE = uuid.uuid5(uuid.NAMESPACE_URL, "carillon:message").bytes
_REQUEST = uuid.uuid5(uuid.NAMESPACE_URL, "carillon:request").bytes
_PART = uuid.uuid5(uuid.NAMESPACE_URL, "carillon:part").bytes


def entries_ledger(site: Public) -> Public:
    """Name the ledger of a site's entries."""
    return Public(f"{PREFIX}:{site}:entries")


def once_ledger(site: Public, due_us: int) -> Public:
    """Name the ledger of the one-off entries that are due on the same day."""
    return Public(f"{PREFIX}:{site}:once:{due_us // DAY_US}")


def slots_key(site: str, scope: str) -> str:
    """Name the set of tasks that hold the slots of a scope."""
    return f"{PREFIX}:{site}:slots:{scope}"


def rate_key(site: str, scope: str) -> str:
    """Name the instant up to which the rate of a scope is used up."""
    return f"{PREFIX}:{site}:rate:{scope}"


def site_key(site: str, what: SiteKey) -> str:
    """Name one of the keys of which a site has one."""
    return f"{PREFIX}:{site}:{what.value}"


def seen_key(site: Public, feed: Public, identity: str) -> str:
    """Name what is remembered of a message of a feed that several daemons have."""
    return f"{PREFIX}:{site}:seen:{feed}:{identity}"


def feed_ledger(site: Public, feed: Public, epoch: str) -> Public:
    """Name the ledger of what a feed has pushed in one epoch of its spool."""
    return Public(f"{PREFIX}:{site}:feed:{feed}:{epoch}")


def sent_key(site: str, task_id: str) -> str:
    """Name what is kept of a task that was sent through the API; it lies with the results."""
    return f"{PREFIX}:{site}:sent:{task_id}"


def requested_id(site: str, who: str, key: str) -> str:
    """Give the task id of a request under an idempotency key: the same however often, and after every restart."""
    return _uuid5(_REQUEST, f"{site}\n{who}\n{key}")


def split_feed_ledger(ledger: str) -> tuple[str, str] | None:
    """Give feed and epoch of a ledger; ``None`` if it is none of a feed."""
    parts = ledger.split(":")
    return (
        (parts[4], parts[5])
        if len(parts) == len(["carillon", "1", "SITE", "feed", "FEED", "EPOCH"]) and parts[3] == "feed"
        else None
    )


def lock_queue(site: Public) -> str:
    """Name the queue on RabbitMQ that the daemon which runs a site's schedule has for itself."""
    return f"carillon.{site}.daemon"


def estate_queue(site: Public) -> str:
    """Name the queue on RabbitMQ in which that daemon leaves the entries' ledger to the next."""
    return f"carillon.{site}.ledger"


def occurrence_id(site: str, entry: str, occurrence_us: int) -> str:
    """Give the task id of an occurrence: the same on every daemon and after every restart."""
    return _uuid5(_OCCURRENCE, f"{site}\n{entry}\n{occurrence_us}")


def asked_id(site: str, entry: str, occurrence_us: int, request: str) -> str:
    """Give the task id of an occurrence someone asked for: never that of the same instant by the clock."""
    return _uuid5(_OCCURRENCE, f"{site}\n{entry}\n{occurrence_us}\n{request}")


ASKED_KINDS = ("run", "backfill")
"""How runs of an entry come to be asked for: once, or for a window of the past."""


def asked_prefix(entry: str, kind: str) -> str:
    """Give what the ids of runs of an entry begin with that someone asked for; what tells them apart follows."""
    return f"{entry}.{kind}."


def part_id(occurrence: str, place: str) -> str:
    """Give the id of a part of an occurrence's workflow: of a task by its place in it, or of a group."""
    return _uuid5(_PART, f"{occurrence}\n{place}")


def overlap_scope(entry: str) -> str:
    """Name the place that the runs of an entry which must not overlap take in turn."""
    return f"overlap:{entry}"


def entry_scope(entry: str) -> str:
    """Name what the limits of an entry bound."""
    return f"entry:{entry}"


def queue_scope(queue: str) -> str:
    """Name what the limits of a queue bound."""
    return f"queue:{queue}"


def message_id(site: str, feed: str, epoch: str, sequence: int) -> str:
    """Give the task id of a spooled message: the same however often it is pushed."""
    return _uuid5(_MESSAGE, f"{site}\n{feed}\n{epoch}\n{sequence}")


def message_part_id(message: str, route: int) -> str:
    """Give the task id of a message's further task, by the place of its route in the site file."""
    return _uuid5(_PART, f"{message}\n{route}")


def _uuid5(namespace: bytes, name: str) -> str:
    """Write ``str(uuid.uuid5(...))`` without the object between, in a third of the time (RFC 9562 5.5)."""
    digest = bytearray(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
