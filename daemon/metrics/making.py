"""Makes metrics of one prefix in one registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Handlers: TypeAlias = Mapping[type, Callable[[Any], None]]
"""Which event moves which number."""

FAST_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
RUN_S = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
LATE_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0)


class Making:
    """Makes metrics."""

    def __init__(self, registry: CollectorRegistry, prefix: str = "carillon_") -> None:
        """Make them in ``registry``, their names beginning with ``prefix``."""
        self.registry = registry
        self._prefix = prefix

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Make a counter; ``_total`` is added to its name."""
        return Counter(f"{self._prefix}{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Make a gauge."""
        return Gauge(f"{self._prefix}{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """Make a histogram."""
        return Histogram(f"{self._prefix}{name}", text, labels, registry=self.registry, buckets=buckets)
