"""Puts the health of a site together, and says of settings whether they are those of another daemon."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from daemon.api.health.check import Check
from daemon.clock import Clock
from daemon.dispatch.celery_watch import CeleryWatch
from daemon.health.desk import SiteHealth
from daemon.health.outside import Outside, database_of
from daemon.public import Public
from daemon.settings import Settings
from daemon.site import Site

HISTORY_LIMIT_S = 60.0
"""A history that could not be written for so long makes the daemon unready; for less it catches up."""

_OF_THIS_MACHINE: dict[str, Any] = {
    "site": {"state_dir"},
    "api": True,
    "embedded_broker": True,
    "health": True,
    "tracing": True,
}
_SECRET: dict[str, Any] = {"celery": {"broker_url", "result_backend"}, "django_beat": {"url"}, "watch": True}
_HASH_LENGTH = 12


def make_health(
    site: Site, version: Public, checks: Callable[[], Sequence[Check]], watch: CeleryWatch, clock: Clock
) -> SiteHealth:
    """Make the health of a site; nothing is looked at."""
    settings = site.settings.health
    outside = Outside(settings.urls, database_of(settings, os.environ), clock)
    return SiteHealth(site.settings.site.name, version, settings, checks, watch, outside, clock)


def sent_items(site: Site) -> Iterator[tuple[str, str | None]]:
    """Give task and queue of everything the site sends by itself."""
    for entry in site.entries:
        yield entry.task, entry.queue
    for feed in site.feeds:
        for route in feed.routing.routes:
            for queue in route.queues:
                yield route.task or "", queue


def history_check(lost_s: float) -> Check:
    """Say of the history whether it is written."""
    detail = Public("written" if not lost_s else f"not written for {lost_s:.0f} s")
    return Check(Public("history"), lost_s < HISTORY_LIMIT_S, detail)


def settings_hash(settings: Settings) -> str:
    """Give a short hash, equal on daemons of a site with equal settings. What is secret, or of one machine, has no part in it."""
    plain = settings.model_dump(mode="json", exclude={**_OF_THIS_MACHINE, **_SECRET})
    text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.sha256(text).hexdigest()[:_HASH_LENGTH]
