"""Every name the daemon uses in the broker, built in one place. Format version 1.

carillon:1:SITE:entries            hash   entry name → horizon (``revision:microseconds``)
carillon:1:SITE:feed:FEED:EPOCH    hash   ``seq`` → sequence number of the last message pushed

On RabbitMQ the ledgers of these names lie in a file, and the broker has two queues:

carillon.SITE.daemon               exclusive: of the daemon that runs the schedule
carillon.SITE.ledger               one message: the entries' ledger, for the daemon that runs it next
"""

from __future__ import annotations

import hashlib
import uuid

from daemon.public import Public

PREFIX = "carillon:1"
SEQUENCE_FIELD = "seq"
MARK_TTL_S = 90 * 86_400
"""Marks outlive the spool's retention, so a mark that is gone means the broker lost it."""

_OCCURRENCE = uuid.uuid5(uuid.NAMESPACE_URL, "carillon:occurrence").bytes
_MESSAGE = uuid.uuid5(uuid.NAMESPACE_URL, "carillon:message").bytes


def entries_ledger(site: Public) -> Public:
    """Name the ledger of a site's entries."""
    return Public(f"{PREFIX}:{site}:entries")


def feed_ledger(site: Public, feed: Public, epoch: str) -> Public:
    """Name the ledger of what a feed has pushed in one epoch of its spool."""
    return Public(f"{PREFIX}:{site}:feed:{feed}:{epoch}")


def lock_queue(site: Public) -> str:
    """Name the queue on RabbitMQ that the daemon which runs a site's schedule has for itself."""
    return f"carillon.{site}.daemon"


def estate_queue(site: Public) -> str:
    """Name the queue on RabbitMQ in which that daemon leaves the entries' ledger to the next."""
    return f"carillon.{site}.ledger"


def occurrence_id(site: str, entry: str, occurrence_us: int) -> str:
    """Give the task id of an occurrence: the same on every daemon and after every restart."""
    return _uuid5(_OCCURRENCE, f"{site}\n{entry}\n{occurrence_us}")


def message_id(site: str, feed: str, epoch: str, sequence: int) -> str:
    """Give the task id of a spooled message: the same however often it is pushed."""
    return _uuid5(_MESSAGE, f"{site}\n{feed}\n{epoch}\n{sequence}")


def _uuid5(namespace: bytes, name: str) -> str:
    """Write ``str(uuid.uuid5(...))`` without the object between, in a third of the time (RFC 9562 5.5)."""
    digest = bytearray(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
