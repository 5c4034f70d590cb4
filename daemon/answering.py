"""What the feeds of a site need of the Celery side to answer late, or together with other daemons."""

from __future__ import annotations

import itertools
import secrets

from daemon.clock import Clock
from daemon.dispatch import CeleryOutcomes, CelerySide, RedisSharedMessages
from daemon.hl7listener.ack.service import Answers
from daemon.hl7listener.spool import Spool
from daemon.ports import Emit
from daemon.site import Site


def make_answers(site: Site, side: CelerySide, spool: Spool, clock: Clock, emit: Emit) -> Answers:
    """Make the service that answers late; nothing is opened."""
    name = site.settings.site.name
    prefix = secrets.token_hex(4).upper()
    numbers = itertools.count(1)
    is_shared = any(feed.answering.is_shared for feed in site.feeds)
    return Answers(
        name,
        site.feeds,
        spool,
        clock,
        emit,
        lambda: f"{prefix}{next(numbers) % 10**10:X}",
        outcomes=CeleryOutcomes(side),
        shared=RedisSharedMessages(side, name) if is_shared else None,
    )
