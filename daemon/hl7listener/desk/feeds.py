"""The feeds of a running daemon: described, paused, resumed, a sender sent away. Pauses outlive the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import anyio

from daemon.clock import SECOND_US, Clock
from daemon.deeds import DeedKind
from daemon.desks import By, ConnectionRow, FeedDetail, FeedRow, NotNow, NotThere, Pause, TrafficSpan
from daemon.events import Warned
from daemon.hl7listener.desk.describing import deviation_row, route_rows
from daemon.hl7listener.desk.pause_file import FILE, PauseFile
from daemon.hl7listener.desk.pauses import in_force, next_end_us
from daemon.hl7listener.desk.standing import Circumstances, standing
from daemon.hl7listener.feed import Feed
from daemon.hl7listener.watch.tally import Tallies
from daemon.hl7listener.watch.traffic import QUARTERS_OF_A_DAY, FeedTraffic, span_of
from daemon.hl7listener.wire.feed_host import ConnectionSeen
from daemon.hl7listener.wire.server import Listener
from daemon.ports import AuditTrail, Emit
from daemon.public import Public, escaped

LOOK_AGAIN_S = 30.0
"""The longest sleep: a clock that was set is noticed within it."""

_THE_CLOCK = By(Public("the clock"))


class Worries(Protocol):
    """What the watch finds wrong with a feed."""

    def quiet(self, feed: str) -> Public | None:
        """Say why a feed is quiet, if it is."""
        ...

    def refusing(self, feed: str) -> Public | None:
        """Say how much a feed refuses, if that is much."""
        ...

    def usual_us(self, feed: str) -> int | None:
        """Say how long a feed may be silent now; ``None`` if there is no limit, or it is not learned yet."""
        ...


class Desk:
    """Describes and steers the feeds of a daemon."""

    name = Public("feed-desk")

    def __init__(
        self,
        feeds: Sequence[Feed],
        listener: Listener,
        tallies: Tallies,
        worries: Worries,
        traffic: Mapping[str, FeedTraffic],
        folder: Path,
        clock: Clock,
        emit: Emit,
        audit: AuditTrail,
        *,
        is_accepting: Callable[[], bool],
        expires_us: Callable[[Feed], int | None],
        try_disk: Callable[[], None],
    ) -> None:
        """Keep the collaborators; nothing is read here.

        Args:
            feeds: of the site.
            listener: where they are listened for.
            tallies: what they have done.
            worries: what is wrong with them.
            traffic: what came over time.
            folder: the state folder.
            clock: the daemon's.
            emit: takes events.
            audit: where changes are written down before they are made.
            is_accepting: says whether messages can be stored.
            expires_us: says until when a feed's certificate is good.
            try_disk: has a disk that failed too often tried again.
        """
        self._feeds = {str(feed.name): feed for feed in feeds}
        self._listener = listener
        self._tallies = tallies
        self._worries = worries
        self._traffic = traffic
        self._file = PauseFile(folder)
        self._clock = clock
        self._emit = emit
        self._audit = audit
        self._is_accepting = is_accepting
        self._expires_us = expires_us
        self._try_disk = try_disk
        self._pauses: dict[str, Pause] = {}
        self._turn = anyio.Lock()
        self._changed = anyio.Event()
        self._stop = anyio.Event()

    # -- life ----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Pause what was paused when the daemon ended."""
        self._stop = anyio.Event()
        try:
            found = await anyio.to_thread.run_sync(self._file.read)
        except OSError:
            found = None
        if found is None:
            text = Public(f"{FILE} cannot be read; no feed is paused")
            self._emit(Warned(Public("pauses-lost"), Public("feeds"), text))
            found = {}
        known = {name: pause for name, pause in found.items() if name in self._feeds}
        self._pauses = in_force(known, self._clock.now_us())
        for name, pause in self._pauses.items():
            await self._listener.pause(Public(name), pause.policy)

    async def serve(self) -> None:
        """Resume feeds whose pause is over, until drained."""
        while not self._stop.is_set():
            now_us = self._clock.now_us()
            for name in set(self._pauses) - set(in_force(self._pauses, now_us)):
                await self.resume(name, _THE_CLOCK)
            end_us = next_end_us(self._pauses)
            wait_s = LOOK_AGAIN_S if end_us is None else min((end_us - now_us) / SECOND_US, LOOK_AGAIN_S)
            self._changed = anyio.Event()
            with anyio.move_on_after(max(wait_s, 0.0)):
                await self._changed.wait()

    async def drain(self) -> None:
        """Stop looking; pauses stay."""
        self._stop.set()
        self._changed.set()

    # -- describing ----------------------------------------------------------------------------------------------------

    def rows(self) -> list[FeedRow]:
        """Describe every feed in a line."""
        return [self._row(feed) for feed in self._feeds.values()]

    def detail(self, name: str) -> FeedDetail:
        """Describe one feed.

        Raises:
            NotThere: there is none of that name.
        """
        feed = self._feed(name)
        self._listener.tell_received(feed.name)
        tally = self._tallies.feeds[name]
        return FeedDetail(
            row=self._row(feed),
            connections=[_connection_row(seen) for seen in self._listener.connections(feed.name)],
            deviations=[deviation_row(seen) for seen in self._listener.report(feed.name).deviations],
            minutes=self._traffic[name].last_hour(self._clock.now_us()),
            quarantined=dict(tally.quarantined),
            refused=dict(tally.refused),
            gone=dict(tally.gone),
            enqueued=tally.enqueued,
            parked=tally.parked,
            repeated=tally.repeated,
            kinds=dict(tally.kinds),
            routes=route_rows(feed, tally.routes),
            filtered=tally.filtered,
            unrouted=tally.unrouted,
            latencies=tally.latencies.classes(),
        )

    def traffic(self, name: str, *, by_quarters: bool) -> TrafficSpan:
        """Give the messages of the last day by the minute, or of two weeks by the quarter of an hour.

        Raises:
            NotThere: there is no such feed.
        """
        self._feed(name)
        span = span_of(self._traffic[name], self._clock.now_us(), by_quarters=by_quarters)
        return TrafficSpan(span.step_us // SECOND_US, span.from_us, span.messages, span.refused)

    def _row(self, feed: Feed) -> FeedRow:
        name, tally = str(feed.name), self._tallies.feeds[str(feed.name)]
        there = self._listener.state(feed.name)
        pause = self._pauses.get(name)
        state, why = standing(
            Circumstances(
                pause,
                is_open=there.word in ("listening", "reaching", "connected"),
                is_accepting=self._is_accepting(),
                quiet_why=self._worries.quiet(name),
                refusing_why=self._worries.refusing(name),
                has_received=bool(tally.last_us),
            )
        )
        now_us, usual_us = self._clock.now_us(), self._worries.usual_us(name)
        minutes = self._traffic[name].last_hour(now_us)
        return FeedRow(
            name=feed.name,
            state=state,
            listen=tuple(Public(address) for address in there.addresses) or tuple(map(Public, feed.peers.listen)),
            is_tls=feed.peers.tls is not None,
            connections=len(self._listener.connections(feed.name)),
            last_us=tally.last_us or None,
            last_minute=minutes[-2],
            last_hour=sum(minutes),
            p50_s=tally.latencies.quantile_s(0.5),
            p99_s=tally.latencies.quantile_s(0.99),
            codes=dict(tally.codes),
            resent=tally.resent,
            waiting=tally.waiting,
            oldest_s=tally.oldest_s,
            pause=pause,
            certificate_expires_us=self._expires_us(feed),
            why=why,
            usual_silence_s=None if usual_us is None else usual_us / SECOND_US,
            day=self._traffic[name].quarters.last(now_us, QUARTERS_OF_A_DAY),
            deviations=sum(seen.count for seen in self._listener.report(feed.name).deviations),
        )

    # -- steering ------------------------------------------------------------------------------------------------------

    async def pause(self, name: str, pause: Pause, by: By) -> None:
        """Take nothing more of a feed's senders until it is resumed, or the pause ends.

        Raises:
            NotThere: there is no such feed.
            NotNow: it could not be written down.
            AuditFailed: the same; nothing was changed.
        """
        feed = self._feed(name)
        async with self._turn:
            note = Public(f"{pause.policy.value}; {escaped(pause.note)}" if pause.note else pause.policy.value)
            before, after = _standing(self._pauses.get(name)), _standing(pause)
            await self._audit.record(by.deed(DeedKind.FEED_PAUSED, feed.name, note=note, before=before, after=after))
            await self._keep({**self._pauses, name: pause})
            await self._listener.pause(feed.name, pause.policy)

    async def resume(self, name: str, by: By) -> None:
        """Take messages again; a disk that failed too often is tried again first.

        Raises:
            NotThere: there is no such feed.
        """
        feed = self._feed(name)
        self._try_disk()
        async with self._turn:
            if name not in self._pauses:
                return
            before = _standing(self._pauses[name])
            await self._audit.record(by.deed(DeedKind.FEED_RESUMED, feed.name, before=before, after=_standing(None)))
            await self._keep({other: pause for other, pause in self._pauses.items() if other != name})
            await self._listener.resume(feed.name)

    async def disconnect(self, name: str, number: int, by: By, note: Public) -> None:
        """Close one connection; what was stored is still answered.

        Raises:
            NotThere: there is no such feed or connection.
            AuditFailed: it could not be written down; nothing was changed.
        """
        feed = self._feed(name)
        seen = next((one for one in self._listener.connections(feed.name) if one.number == number), None)
        if seen is not None:
            before = Public(f"connection {number} of {seen.peer}")
            await self._audit.record(by.deed(DeedKind.PEER_DISCONNECTED, feed.name, note=note, before=before))
        if seen is None or not self._listener.disconnect(feed.name, number):
            message = f"feed {name} has no connection {number}"
            raise NotThere(message, hint=f"carillon feeds show {name} numbers them")

    async def _keep(self, pauses: Mapping[str, Pause]) -> None:
        try:
            await anyio.to_thread.run_sync(self._file.write, pauses)
        except OSError as error:
            message = f"the pause cannot be written down ({error.strerror})"
            raise NotNow(message, hint="look at the disk of the state folder") from None
        self._pauses = dict(pauses)
        self._changed.set()

    def _feed(self, name: str) -> Feed:
        feed = self._feeds.get(name)
        if feed is None:
            message = f"there is no feed {name}"
            raise NotThere(message, hint=f"there are: {', '.join(self._feeds)}" if self._feeds else "")
        return feed


def _standing(pause: Pause | None) -> Public:
    """Say how a feed stands, for the record."""
    return Public("open" if pause is None else f"paused ({pause.policy.value})")


def _connection_row(seen: ConnectionSeen) -> ConnectionRow:
    """Describe a connection."""
    return ConnectionRow(
        seen.number,
        seen.peer,
        seen.since_at_us,
        seen.last_at_us,
        seen.messages,
        seen.bytes,
        seen.state,
        seen.subject,
        seen.label,
        seen.deviations,
    )
