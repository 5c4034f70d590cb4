"""``[metrics]``: which names of other programs ``/metrics`` shows besides our own."""

from __future__ import annotations

from pydantic import Field

from daemon.settings.section import Section


class MetricsSection(Section):
    """``[metrics]``: names of other programs, so that boards and alert rules made for them work."""

    celery_exporter: bool = True
    flower: bool = False
    residency: bool = False
    worker_labels: bool = False
    labels_limit: int = Field(default=200, ge=1, le=10_000)
