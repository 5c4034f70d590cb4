"""Which families of other programs' names are shown, and how many series they may have."""

from __future__ import annotations

from dataclasses import dataclass

LABELS_LIMIT = 200
"""Names of one kind (tasks, queues, workers) that have series of their own."""


@dataclass(frozen=True, slots=True)
class Switches:
    """What of ``[metrics]`` matters here.

    Attributes:
        celery_exporter: celery-exporter's names.
        flower: Flower's names.
        residency: names that boards of the Residency Scheduler and its like expect.
        worker_labels: whether series of tasks are told apart by worker.
        labels_limit: names of one kind that have series of their own; those beyond share ``other``.
    """

    celery_exporter: bool = True
    flower: bool = False
    residency: bool = False
    worker_labels: bool = False
    labels_limit: int = LABELS_LIMIT
