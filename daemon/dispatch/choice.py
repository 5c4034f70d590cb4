"""The dispatcher for the broker of a site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import anyio

from daemon.clock import Clock
from daemon.dispatch.addresses import NO_RUN, NO_RUN_HINT
from daemon.dispatch.celery_side import CelerySide
from daemon.dispatch.dispatcher import BrokerSeen, CeleryDispatcher
from daemon.errors import SettingsInvalid
from daemon.lifecycle import Service
from daemon.ports import Dispatcher, Emit, FaultPoint, Runs, no_fault
from daemon.public import Public
from daemon.tracing import Tracer
from shim.client.amqp_extra import need_amqp
from shim.client.conf import BrokerKind, broker_address, broker_kind
from shim.errors import BrokerUrlInvalid


class SiteDispatcher(Dispatcher, Runs, Service, Protocol):
    """A dispatcher as the composition root knows it.

    Attributes:
        address: of the broker, without its password.
        is_up: set once the broker has answered for the first time.
        recorded: told each record of an order that was carried out, and when, where there is no stream for them.
    """

    address: Public
    is_up: anyio.Event
    recorded: Callable[[str, int], None]

    @property
    def seen(self) -> BrokerSeen:
        """What was last known of the broker."""
        ...


def make_dispatcher(
    side: CelerySide,
    site: Public,
    state_dir: Path,
    clock: Clock,
    emit: Emit,
    *,
    at: FaultPoint = no_fault,
    tracer: Tracer | None = None,
) -> SiteDispatcher:
    """Make the dispatcher for a site's broker; nothing is opened.

    Args:
        side: the Celery side, the address of a private broker filled in.
        site: name of the site.
        state_dir: where ledger and outbox lie, for a broker that needs them.
        clock: the daemon's.
        emit: takes events.
        at: named points.
        tracer: makes traces of what is sent; ``None`` if there are none.

    Raises:
        SettingsInvalid: a broker that a daemon cannot run on.
        BrokerUrlInvalid, RequestInvalid: a setting that cannot be; ``check_addresses`` and ``check_items`` find them.
    """
    kind = broker_kind(broker_address(side.conf))
    if kind is BrokerKind.REDIS:
        return CeleryDispatcher(side, clock, emit, site=site, tracer=tracer)
    if kind is BrokerKind.FOREIGN:
        raise SettingsInvalid(NO_RUN, hint=NO_RUN_HINT)
    try:
        need_amqp()
    except BrokerUrlInvalid as error:
        raise SettingsInvalid(str(error), hint=error.hint) from None
    # Here, because it needs an extra that Redis does not.
    from daemon.dispatch.outbox_dispatcher import OutboxDispatcher  # noqa: PLC0415

    return OutboxDispatcher(side, site=site, state_dir=state_dir, clock=clock, emit=emit, at=at, tracer=tracer)
