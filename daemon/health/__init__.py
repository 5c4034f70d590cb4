"""How a site is, put together from what its parts say, what workers answer, and what must be there besides."""

from daemon.health.desk import SiteHealth
from daemon.health.findings import celery_checks, outside_checks
from daemon.health.making import history_check, make_health, sent_items, settings_hash
from daemon.health.outside import Outside, database_of

__all__ = [
    "Outside",
    "SiteHealth",
    "celery_checks",
    "database_of",
    "history_check",
    "make_health",
    "outside_checks",
    "sent_items",
    "settings_hash",
]
