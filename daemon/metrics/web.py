"""Numbers of the API: requests by route, WebSockets, and who was not let in or looked at what."""

from __future__ import annotations

from prometheus_client import Histogram

from daemon import api_events, deeds
from daemon.deeds import DeedKind
from daemon.metrics.making import Handlers, Making

_REQUEST_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0)

LOOKS = frozenset(
    (
        DeedKind.MESSAGE_REVEALED,
        DeedKind.MESSAGES_SEARCHED,
        DeedKind.MESSAGES_EXPORTED,
        DeedKind.TASK_REVEALED,
        DeedKind.QUEUE_REVEALED,
    )
)
"""Deeds with which somebody saw contents."""


class WebMetrics:
    """Counts what is asked of the API."""

    def __init__(self, make: Making) -> None:
        """Make them."""
        self._request_s = make.histogram(
            "http_request_seconds", "Duration of requests by the template of their path.", _REQUEST_S, "route"
        )
        self._lines = make.gauge("ws_clients", "WebSockets that are open, by the template of their path.", "route")
        self._dropped = make.counter("ws_dropped", "WebSockets closed because their reader was too slow.")
        self._denied = make.counter("auth_failures", "Requests of callers who were not let in, by code.", "kind")
        self._reveals = make.counter("reveals", "Looks at contents, by kind.", "kind")
        self._children: dict[str, Histogram] = {}

    def handlers(self) -> Handlers:
        """Say which event moves which number."""
        return {
            api_events.RequestAnswered: self._answered,
            api_events.LineOpened: lambda event: self._line(event.route, 1),
            api_events.LineClosed: self._closed,
            api_events.RequestDenied: lambda event: self._denied.labels(event.code).inc(),
            deeds.Deed: self._deed,
        }

    def _answered(self, event: api_events.RequestAnswered) -> None:
        known = self._children.get(event.route)
        if known is None:
            known = self._children[event.route] = self._request_s.labels(event.route)
        known.observe(event.took_s)

    def _line(self, route: str, change: int) -> None:
        self._lines.labels(route).inc(change)

    def _closed(self, event: api_events.LineClosed) -> None:
        self._line(event.route, -1)
        if event.was_slow:
            self._dropped.inc()

    def _deed(self, deed: deeds.Deed) -> None:
        if deed.kind in LOOKS:
            self._reveals.labels(deed.kind.value).inc(deed.count)
