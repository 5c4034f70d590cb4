"""Notes what is handed over and what happens to the broker, a bounded number of each, to be shown. Pure; told by the daemon."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from daemon.clock import SECOND_US, Clock, instant
from daemon.desks.dispatch import BrokerNow, Incident, MessagesHanded
from daemon.dispatch.dispatcher import BrokerSeen
from daemon.events import (
    BrokerEvicting,
    BrokerHistoryChanged,
    BrokerLost,
    BrokerUp,
    MessagesEnqueued,
    MessagesRepeated,
)
from daemon.plural import counted
from daemon.schedule_events import OccurrenceRepeated, ScheduleForgotten

KEPT = 100


class Handover:
    """What was handed over lately; see ``daemon.desks.dispatch.HandoverDesk``."""

    def __init__(self, address: str, seen: Callable[[], BrokerSeen], clock: Clock) -> None:
        """Begin with nothing noted."""
        self._address = address
        self._seen = seen
        self._clock = clock
        self._messages: deque[MessagesHanded] = deque(maxlen=KEPT)
        self._incidents: deque[Incident] = deque(maxlen=KEPT)

    def hear(self, event: object) -> None:
        """Take note of what happened; most of it is nothing of ours."""
        if isinstance(event, MessagesEnqueued):
            at = instant(self._clock.now_us())
            self._messages.appendleft(MessagesHanded(at, event.feed, event.count, event.already, event.waited_s))
            return
        told = told_of(event)
        if told is not None:
            self._incidents.appendleft(Incident(instant(self._clock.now_us()), *told))

    def broker(self) -> BrokerNow:
        """Say how the broker is."""
        seen = self._seen()
        facts = seen.facts
        age_us = round(max(self._clock.monotonic_s() - seen.since_s, 0) * SECOND_US)
        return BrokerNow(
            seen.state.value,
            instant(self._clock.now_us() - age_us),
            self._address,
            "" if facts is None else facts.version,
            "" if facts is None else facts.role,
            "" if facts is None else facts.eviction_policy,
            is_evicting=facts is not None and facts.is_evicting,
            is_durable=facts is not None and facts.append_only,
            history_id="" if facts is None else facts.replication_id,
        )

    def messages(self) -> Sequence[MessagesHanded]:
        """Give what feeds handed over lately, the latest first."""
        return tuple(self._messages)

    def incidents(self) -> Sequence[Incident]:
        """Give what happened to the broker, the latest first."""
        return tuple(self._incidents)


def told_of(event: object) -> tuple[str, str, str] | None:
    """Say what an event means for the broker: what, about whom, and more."""
    match event:
        case BrokerUp():
            told = ("broker-up", event.address, f"it answers again after {event.down_s:.1f} s" if event.down_s else "")
        case BrokerLost():
            told = ("broker-lost", event.address, str(event.reason))
        case BrokerHistoryChanged():
            told = ("broker-history-changed", event.address, str(event.why))
        case BrokerEvicting():
            told = ("broker-evicting", event.address, f"maxmemory-policy is {event.policy}")
        case ScheduleForgotten():
            told = ("schedule-forgotten", event.entry, "the broker no longer remembers what it knew of entries")
        case OccurrenceRepeated():
            told = ("occurrence-repeated", event.entry, "it had run" if event.had_run else "pushed again, the same id")
        case MessagesRepeated():
            told = ("messages-repeated", event.feed, f"{counted(event.pushed, 'message')} pushed again")
        case _:
            return None
    return told[0], str(told[1]), told[2]
