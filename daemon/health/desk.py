"""The health of a running daemon and of what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daemon.api.health.check import Check
from daemon.clock import SECOND_US, Clock, instant
from daemon.desks.health import HealthCheck, HealthReport, HealthState, status_of
from daemon.dispatch.celery_watch import CeleryWatch
from daemon.health.findings import celery_checks, outside_checks, own_checks, required
from daemon.health.outside import Outside
from daemon.public import Public
from daemon.settings.health_section import HealthSection

STALE_S = 60.0
"""An older look at the workers says nothing of them any more."""


class SiteHealth:
    """Tells how a site is."""

    def __init__(
        self,
        site: Public,
        version: Public,
        settings: HealthSection,
        checks: Callable[[], Sequence[Check]],
        watch: CeleryWatch,
        outside: Outside,
        clock: Clock,
    ) -> None:
        """Keep the collaborators."""
        self._site, self._version, self._settings = site, version, settings
        self._checks, self._watch, self._outside, self._clock = checks, watch, outside, clock
        self._began_us = clock.now_us()

    def required(self) -> list[Check]:
        """Say of the workers that the site requires whether they are there; from the last look."""
        look = self._watch.last if self._watch.age_s() < STALE_S else None
        if look is None:
            return required((), (), self._settings.require_workers, self._settings.require_queues)
        return required(look.workers, look.queues, self._settings.require_workers, self._settings.require_queues)

    async def report(self) -> HealthReport:
        """Look at everything."""
        probes = await self._outside.look()
        required_names = {check.name for check in self.required()}
        own = [check for check in self._checks() if check.name not in required_names]
        checks = (*own_checks(own), *self._celery(), *outside_checks(probes))
        now_us = self._clock.now_us()
        up_s = (now_us - self._began_us) / SECOND_US
        return HealthReport(status_of(checks), self._site, self._version, up_s, instant(now_us), checks)

    def _celery(self) -> Sequence[HealthCheck]:
        look = self._watch.last
        if look is None or self._watch.age_s() >= STALE_S:
            why = self._watch.failure or Public("not looked at yet")
            return (HealthCheck(Public("workers"), HealthState.WARNING, Public(f"not known: {why}")),)
        return tuple(
            celery_checks(
                look.workers,
                look.queues,
                keeps_results=look.keeps_results,
                require_workers=self._settings.require_workers,
                require_queues=self._settings.require_queues,
            )
        )
