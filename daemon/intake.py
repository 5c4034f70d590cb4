"""Builds what receives: spool, listener, the way to the queues, and what watches and steers the feeds."""

from __future__ import annotations

import math
import secrets

from daemon.answering import make_answers
from daemon.api.health import Check
from daemon.clock import SECOND_US, Clock
from daemon.desks import FeedState, SpoolCard
from daemon.dispatch import CelerySide, SiteDispatcher
from daemon.events import Warned
from daemon.hl7listener.deidentify import site_secret
from daemon.hl7listener.desk.archive import Archive
from daemon.hl7listener.desk.feeds import Desk
from daemon.hl7listener.desk.messages import Messages
from daemon.hl7listener.lanes.arrangement_file import note_lanes
from daemon.hl7listener.lanes.drain import Drain
from daemon.hl7listener.spool import Limits, Spool
from daemon.hl7listener.tls.doors import Doors
from daemon.hl7listener.tls.keeper import CertificateKeeper
from daemon.hl7listener.watch.alarms import FeedAlarm
from daemon.hl7listener.watch.service import FeedWatch
from daemon.hl7listener.watch.traffic_service import Traffic
from daemon.hl7listener.wire.binding import Inherited
from daemon.hl7listener.wire.server import Listener
from daemon.lifecycle import Service
from daemon.ports import AuditTrail, Bell, Emit, FaultPoint
from daemon.public import Public
from daemon.site import Site
from daemon.spool_events import DiskSeen

STALL_LIMIT_S = 15.0
"""A spool that has not moved for this long although it should is not ready, and is not reported alive."""


class Intake:
    """The feeds of a daemon and all that belongs to them."""

    def __init__(
        self,
        site: Site,
        side: CelerySide,
        dispatcher: SiteDispatcher,
        clock: Clock,
        emit: Emit,
        *,
        audit: AuditTrail,
        bell: Bell | None,
        inherited: Inherited,
        at: FaultPoint,
    ) -> None:
        """Make all of it; nothing is opened."""
        settings = site.settings
        folder = settings.site.state_dir
        self._feeds, self._emit, self._folder = site.feeds, emit, folder
        self.spool = Spool(
            folder,
            Limits(
                retention_us=round(settings.spool.retention * SECOND_US),
                size_bytes=settings.spool.size_limit,
                free_floor_bytes=settings.spool.free_floor,
                free_warn_bytes=settings.spool.free_warn,
                quarantine_us=round(settings.spool.quarantine_retention * SECOND_US),
            ),
            clock,
            emit,
            any_filesystem=settings.spool.any_filesystem,
            patient_search=settings.spool.patient_search,
            new_epoch=lambda: secrets.token_hex(8),
            at=at,
        )
        self._answers = make_answers(site, side, self.spool, clock, emit)
        self._drain = Drain(
            settings.site.name,
            site.feeds,
            self.spool,
            dispatcher,
            clock,
            emit,
            suspect_us=round(settings.spool.suspect_window * SECOND_US),
            at=at,
            bell=bell,
            handovers=self._answers.handovers,
        )
        self._doors = Doors(site.feeds, emit)
        self._certificates = CertificateKeeper(self._doors, clock, emit)
        self.listener = Listener(
            site.feeds,
            self.spool,
            clock,
            emit,
            control_prefix=secrets.token_hex(4).upper(),
            trust=self._doors,
            inherited=inherited,
            at=at,
            waiting=self._answers.waiting,
        )
        self._make_desk(site, clock, emit, audit)

    def _make_desk(self, site: Site, clock: Clock, emit: Emit, audit: AuditTrail) -> None:
        folder = site.settings.site.state_dir
        self._watch = FeedWatch(site.feeds, folder, clock, emit, is_open=self._is_open)
        self._traffic = Traffic(site.feeds, folder, clock)
        self._disk: DiskSeen | None = None
        self.desk = Desk(
            site.feeds,
            self.listener,
            self._watch.tallies,
            self._watch,
            self._traffic.feeds,
            folder,
            clock,
            emit,
            audit,
            is_accepting=lambda: self.spool.is_accepting,
            expires_us=lambda feed: self._doors.expires_us(feed.name),
            try_disk=self._try_disk,
        )
        name = site.settings.site.name
        self.archive = Archive(name, site.feeds, folder, audit, secret=lambda: site_secret(folder))
        self.messages = Messages(site.feeds, self.spool, folder, clock, audit, secret=lambda: site_secret(folder))

    @property
    def before_broker(self) -> list[Service]:
        """List what is opened before the broker is reached for."""
        return [self._certificates, self.spool] if self._feeds else []

    @property
    def behind_broker(self) -> list[Service]:
        """List what is opened after."""
        return [self._drain, self._answers, self._watch, self._traffic, self.desk, self.listener] if self._feeds else []

    def hear(self, event: object) -> None:
        """Count what happens."""
        self._watch.hear(event)
        self._traffic.hear(event)
        if isinstance(event, DiskSeen):
            self._disk = event

    def why(self, feed: str, code: str) -> Public | None:
        """Give figures of what is wrong with a feed; ``None`` if there are none."""
        what = next((one for one in FeedAlarm if one.value == code), None)
        return None if what is None else self._watch.why(feed, what)

    def spool_card(self) -> SpoolCard:
        """Say how the spool and its disk are."""
        seen = self._disk
        lasts_s = None if seen is None or not math.isfinite(seen.lasts_s) else seen.lasts_s
        return SpoolCard(
            self.spool.is_accepting or not self._feeds,
            self.spool.is_full,
            None if seen is None else seen.free_bytes,
            lasts_s,
        )

    def look_at_certificates(self) -> None:
        """Look whether there are new ones, now."""
        self._certificates.look_now()

    def stalled_s(self) -> float:
        """Say for how long arrivals have waited without a commit."""
        return self.spool.stalled_s()

    def warn(self) -> None:
        """Say once what an operator should know of each feed."""
        for feed in self._feeds:
            for address in feed.peers.in_clear:
                text = Public(f"{address} takes patient data unencrypted from the network")
                self._emit(Warned(Public("plaintext-feed"), feed.name, text))
        for name in note_lanes(self._folder, self._feeds):
            text = Public("its lanes are others than at the last start; what waits in their queues may be overtaken")
            self._emit(Warned(Public("lanes-changed"), Public(name), text))

    def checks(self) -> list[Check]:
        """Say of the spool and of each feed whether it can do its work; one that is paused is as it was asked to be."""
        if not self._feeds:
            return []
        stalled = self.spool.stalled_s()
        ok = self.spool.is_accepting and stalled < STALL_LIMIT_S
        found = [Check(Public("spool"), ok, Public("accepting" if ok else f"not accepting, waiting {stalled:.0f} s"))]
        for row in self.desk.rows():
            detail = Public(f"{row.state.value}, {', '.join(row.listen)}" if row.listen else row.state.value)
            found.append(Check(Public(f"feed {row.name}"), row.state is not FeedState.DOWN, detail))
        return found

    def _try_disk(self) -> None:
        if self.spool.is_down:
            self.spool.resume()

    def _is_open(self, feed: Public) -> bool:
        there = self.listener.state(feed)
        return self.spool.is_accepting and there.word in ("listening", "connected")
