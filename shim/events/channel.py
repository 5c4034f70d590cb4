"""The pub/sub channels that carry events (``kombu/transport/redis.py``, ``_get_publish_topic``)."""

from __future__ import annotations

import re

EXCHANGE = "celeryev"
"""Celery's ``event_exchange`` unless set otherwise."""
FANOUT_PREFIX = "/{db}."

_SPECIAL = re.compile(r"[*?\[\]\\]")


def events_pattern(
    database: int,
    *,
    key_prefix: str = "",
    exchange: str = EXCHANGE,
    fanout_prefix: str | bool = True,
    fanout_patterns: bool = True,
) -> str:
    """Write the glob pattern that matches every channel of the event stream, and no other exchange's.

    Args:
        database: number of the Redis database; channels are not separated by it, so it stands in their names.
        key_prefix: ``broker_transport_options.global_keyprefix``.
        exchange: ``event_exchange``.
        fanout_prefix: ``broker_transport_options.fanout_prefix``.
        fanout_patterns: ``broker_transport_options.fanout_patterns``; without it all events share one channel.
    """
    named = fanout_prefix if isinstance(fanout_prefix, str) else FANOUT_PREFIX if fanout_prefix else ""
    channel = _SPECIAL.sub(r"\\\g<0>", f"{key_prefix}{named.replace('{db}', str(database))}{exchange}")
    return f"{channel}/*" if fanout_patterns else channel
