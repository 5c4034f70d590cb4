"""All numbers of a daemon, and the events that move them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from daemon.metrics.celery import CeleryMetrics, QueueMetrics
from daemon.metrics.feeds import FeedMetrics
from daemon.metrics.flower import FlowerMetrics
from daemon.metrics.making import Handlers, Making
from daemon.metrics.residency import ResidencyMetrics
from daemon.metrics.schedule import ScheduleMetrics
from daemon.metrics.stores import StoreMetrics
from daemon.metrics.switches import Switches
from daemon.metrics.web import WebMetrics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_BY_DEFAULT = Switches()


class Metrics:
    """Counts what happens."""

    def __init__(
        self, version: str, *, entries: int, feeds: int, settings_hash: str = "", switches: Switches = _BY_DEFAULT
    ) -> None:
        """Make the metrics of a site with that many entries and feeds.

        Args:
            version: of the daemon.
            entries: of the schedule, those that are enabled.
            feeds: of the site.
            settings_hash: equal on daemons of a site that have equal settings.
            switches: which names of other programs are shown.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        make = Making(registry)
        make.gauge("build_info", "Version of the daemon.", "version").labels(version).set(1)
        make.gauge("config_info", "Hash of the settings in force.", "hash").labels(settings_hash).set(1)
        make.gauge("config_reload_timestamp_seconds", "When the settings in force were read.").set_to_current_time()
        groups = [
            ScheduleMetrics(make, entries).handlers(),
            FeedMetrics(make).handlers(),
            StoreMetrics(make, feeds).handlers(),
            WebMetrics(make).handlers(),
            *_celery(make, switches),
        ]
        self._handlers = _together(groups)

    def __call__(self, event: object) -> None:
        """Count an event."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def exposition(self) -> bytes:
        """Write all metrics in the text format."""
        return generate_latest(self.registry)

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """Give one sample; 0 if it does not exist yet."""
        return self.registry.get_sample_value(name, dict(labels or {})) or 0.0

    def _table(self) -> Handlers:
        return self._handlers


def _celery(make: Making, switches: Switches) -> Iterable[Handlers]:
    theirs = Making(make.registry, "celery_")
    yield QueueMetrics(make, theirs, switches).handlers()
    if switches.celery_exporter:
        yield CeleryMetrics(theirs, switches).handlers()
    if switches.flower:
        yield FlowerMetrics(Making(make.registry, "flower_"), switches).handlers()
    if switches.residency:
        yield ResidencyMetrics(theirs, Making(make.registry, ""), switches).handlers()


def _together(groups: Iterable[Handlers]) -> dict[type, Callable[[Any], None]]:
    """Lay tables together; an event may move numbers of several groups."""
    found: dict[type, Callable[[Any], None]] = {}
    for group in groups:
        for kind, handler in group.items():
            before = found.get(kind)
            found[kind] = handler if before is None else _both(before, handler)
    return found


def _both(first: Callable[[Any], None], second: Callable[[Any], None]) -> Callable[[Any], None]:
    def handle(event: Any) -> None:
        first(event)
        second(event)

    return handle
