"""What is told of a block once it is on the disk. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.answer_events import ControlIdReused
from daemon.feed_events import Quarantined, Resent
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.judging.verdict import Disposition, Reason
from daemon.hl7listener.peers.identity import Identity, sender_refused
from daemon.hl7listener.spool import Arrival, Stored


def is_ordinary(arrival: Arrival, answer: Stored) -> bool:
    """Say whether there is nothing to tell: it is new, and becomes a task."""
    return not answer.is_resend and not answer.is_reused and arrival.finding.disposition is Disposition.ROUTED


def events_of(arrival: Arrival, answer: Stored, feed: Feed, sender: Identity) -> Iterator[object]:
    """Give the events of a block that is stored; of a batch those of its messages too."""
    if answer.is_resend:
        yield Resent(feed.name)
    else:
        for one in (arrival, *arrival.members):
            finding = one.finding
            if finding.disposition is Disposition.QUARANTINED and finding.reason is not None:
                yield Quarantined(feed.name, finding.reason)
                if finding.reason is Reason.SENDER:
                    yield sender_refused(feed.name, sender)
    if answer.is_reused:
        yield ControlIdReused(feed.name, feed.answering.refuses_same_id)
        if feed.answering.refuses_same_id:
            yield Quarantined(feed.name, Reason.REUSED)
