"""The composition root: builds a daemon from a site and runs it. It knows everyone; nobody knows it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus

from daemon.api.health import Check
from daemon.audit import Trail
from daemon.clock import Clock, SystemClock
from daemon.dispatch import BeatNode, BrokerState, make_dispatcher, wants_beat_node
from daemon.embedded_broker import EmbeddedBroker
from daemon.errors import BrokerDown
from daemon.events import BrokerLost, DaemonReady, DaemonStopping, ServiceCrashed, Warned
from daemon.health import history_check, settings_hash
from daemon.intake import STALL_LIMIT_S, Intake
from daemon.lifecycle import Service
from daemon.metrics import Metrics, Switches
from daemon.metrics.loop_lag import LoopLag
from daemon.notify import Notifier
from daemon.plural import counted
from daemon.ports import Emit, FaultPoint, no_fault
from daemon.public import Public, frames, reason
from daemon.reception import Reception
from daemon.site import Site
from daemon.state_dir import StateDir
from daemon.supervisor import SOFTWARE_ERROR, Supervisor
from daemon.timetable import Timetable, make_ringing
from daemon.tracing import make_tracing

REQUIRE_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a daemon gets from outside: the clock, the log, the service manager, inherited sockets, named points."""

    log: Emit
    notifier: Notifier
    clock: Clock = field(default_factory=SystemClock)
    inherited: Mapping[str, Sequence[socket.socket]] = field(default_factory=dict)
    at: FaultPoint = no_fault


def own_version() -> Public:
    """Give the version of the distribution; of an uninstalled checkout, that it is one."""
    try:
        return Public(version("carillond"))
    except PackageNotFoundError:
        return Public("uninstalled")


def _metrics_of(site: Site) -> Metrics:
    return Metrics(
        own_version(),
        entries=len(site.entries),
        feeds=len(site.feeds),
        settings_hash=settings_hash(site.settings),
        switches=Switches(**site.settings.metrics.model_dump()),
    )


class Daemon:
    """Everything one process runs."""

    def __init__(self, site: Site, around: Surroundings) -> None:
        """Build all services; nothing is opened here but the files of an embedded broker.

        Raises:
            EmbeddedBrokerFailed: an embedded broker is wanted and cannot be had.
        """
        settings = site.settings
        self._site = site
        self._intake: Intake | None = None
        self._timetable: Timetable | None = None
        self._hearers: list[Emit] = []
        self._around = around
        self._clock = clock = around.clock
        self.metrics = _metrics_of(site)
        state_dir = settings.site.state_dir
        self._trail = Trail(state_dir, settings.site.name, settings.audit, clock, self._emit)
        self._embedded = (
            EmbeddedBroker(state_dir, settings.embedded_broker, clock, self._emit) if site.celery.is_embedded else None
        )
        own_url = self._embedded.place.own_url if self._embedded is not None else None
        side = site.celery.beside(own_url)
        name = settings.site.name
        self._tracing = make_tracing(settings, own_version(), clock, self._emit)
        tracer = None if self._tracing is None else self._tracing[0]
        self._dispatcher = make_dispatcher(side, name, state_dir, clock, self._emit, at=around.at, tracer=tracer)
        self._beat = BeatNode(side, self.is_moving) if wants_beat_node(side) else None
        self._ringing = make_ringing(site, side, self._emit)
        self._intake = Intake(
            site,
            side,
            self._dispatcher,
            clock,
            self._emit,
            audit=self._trail,
            bell=self._ringing,
            inherited=around.inherited,
            at=around.at,
        )
        self._timetable = Timetable(
            site, side, self._dispatcher, clock, self._emit, is_moving=self.is_moving, at=around.at
        )
        self._reception = Reception(
            site,
            side,
            self._intake,
            self._timetable,
            self._dispatcher,
            self._trail,
            clock,
            self._emit,
            version=own_version(),
            checks=self.checks,
            exposition=self.metrics.exposition,
            tell=self.metrics,
            inherited=around.inherited.get("api", ()),
        )
        self._hearers.append(self._reception.hear)

    def _emit(self, event: object) -> None:
        self.metrics(event)
        self._around.log(event)
        self._trail.hear(event)
        if self._intake is not None:
            self._intake.hear(event)
        if self._timetable is not None:
            self._timetable.hear(event)
        for hear in self._hearers:
            hear(event)

    def _services(self) -> list[Service]:
        """List the services in the order they are opened; they are drained in reverse."""
        broker: list[Service] = [self._embedded] if self._embedded is not None else []
        beat: list[Service] = [self._beat] if self._beat is not None else []
        ringing: list[Service] = [self._ringing] if self._ringing is not None else []
        return [
            *broker,
            *self._reception.front,
            self._trail,
            *self._feeds.before_broker,
            *([self._tracing[1]] if self._tracing is not None else []),
            self._dispatcher,
            *beat,
            *ringing,
            *self._feeds.behind_broker,
            *self._reception.behind_broker,
            LoopLag(self._clock, self.metrics),
            *self._schedule.services,
        ]

    @property
    def _feeds(self) -> Intake:
        assert self._intake is not None  # built with the daemon
        return self._intake

    @property
    def _schedule(self) -> Timetable:
        assert self._timetable is not None  # built with the daemon
        return self._timetable

    # -- health --------------------------------------------------------------------------------------------------------

    def checks(self) -> list[Check]:
        """Say of each part whether it can do its work."""
        seen = self._dispatcher.seen
        found = [
            Check(Public("broker"), seen.state is BrokerState.UP, self._dispatcher.address),
        ]
        if seen.facts is not None and seen.facts.is_evicting:
            detail = Public(f"maxmemory-policy is {seen.facts.eviction_policy}: queues can be dropped")
            found.append(Check(Public("eviction"), ok=False, detail=detail))
        found += self._feeds.checks()
        if self._schedule.is_used:
            overdue = self._schedule.scheduler.overdue_s()
            entries = counted(len(self._schedule.scheduler) or len(self._site.entries), "entry", "entries")
            detail = Public(f"{entries}, {overdue:.1f} s behind")
            found.append(Check(Public("schedule"), overdue < STALL_LIMIT_S, detail))
            found.append(history_check(self._schedule.runs.history.lost_s()))
        return found + self._reception.health.required()

    def is_moving(self) -> bool:
        """Say whether spool and schedule make progress: what the watchdog is told."""
        return self._feeds.stalled_s() < STALL_LIMIT_S and self._schedule.scheduler.overdue_s() < STALL_LIMIT_S

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Hold the state folder, run all services until a signal asks to stop, and give the exit code.

        Raises:
            DaemonError: something could not be opened at the start.
        """
        settings = self._site.settings
        state_dir = StateDir(settings.site.state_dir)
        try:
            supervisor = Supervisor(
                self._services(), self._clock, self._emit, drain_timeout_s=settings.site.drain_timeout
            )
            asyncio.get_running_loop().set_exception_handler(partial(self._callback_failed, supervisor))
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._heed_signals, supervisor)
                tasks.start_soon(self._pet_watchdog)
                code = await supervisor.run(lambda: self._ready(supervisor, tasks))
                tasks.cancel_scope.cancel()
        finally:
            state_dir.close()
        return code

    def _ready(self, supervisor: Supervisor, tasks: TaskGroup) -> None:
        site = self._site
        self._emit(DaemonReady(site.settings.site.name, own_version(), len(site.entries), len(site.feeds)))
        self._feeds.warn()
        self._around.notifier.ready(
            f"{counted(len(site.entries), 'entry', 'entries')}, {counted(len(site.feeds), 'feed')}"
        )
        if site.settings.site.require_celery:
            tasks.start_soon(self._require_broker, supervisor)

    async def _require_broker(self, supervisor: Supervisor) -> None:
        with anyio.move_on_after(REQUIRE_LIMIT_S):
            await self._dispatcher.is_up.wait()
            return
        text = Public("site.require_celery is set and the broker does not answer")
        self._emit(BrokerLost(self._dispatcher.address, Public("broker-required"), text))
        supervisor.stop(BrokerDown.exit_code)

    async def _heed_signals(
        self, supervisor: Supervisor, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        budget_s = self._site.settings.site.drain_timeout
        asked_at_s: float | None = None
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self._feeds.look_at_certificates()
                    self._reception.look()
                    text = Public("reading the site file again needs a restart in this version")
                    self._emit(Warned(Public("no-reload"), self._site.settings.site.name, text))
                    continue
                if asked_at_s is not None:
                    os._exit(130)  # asked twice: nothing that was acknowledged depends on a clean end
                asked_at_s = self._clock.monotonic_s()
                self._emit(DaemonStopping(Public(signal.Signals(number).name), budget_s))
                self._around.notifier.stopping(budget_s)
                self._around.at("stop.drain")
                supervisor.stop()

    def _callback_failed(
        self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        """End the process after a bug in a callback of the event loop. The loop's own words quote arguments; they go unused."""
        del loop
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self._emit(ServiceCrashed(Public("event-loop"), reason(error), frames(error)))
            supervisor.stop(SOFTWARE_ERROR)

    async def _pet_watchdog(self) -> None:
        every_s = self._around.notifier.watchdog_s
        if every_s is None:
            return
        while True:
            if self.is_moving():
                self._around.notifier.alive()
            await anyio.sleep(every_s / 2)
