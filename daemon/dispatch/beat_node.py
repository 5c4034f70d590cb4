"""Answers ``celery inspect ping -d celerybeat@HOST``, so that probes made for Celery's beat find this daemon."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable

import anyio

from daemon.dispatch.celery_side import CelerySide
from daemon.public import Public
from shim.client.carriers import redis_transport
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker
from shim.control import Node, beat_name


class BeatNode:
    """A service that answers pings while ``is_alive`` says so; a daemon whose loop stalls is silent."""

    name = Public("beat-node")

    def __init__(self, side: CelerySide, is_alive: Callable[[], bool]) -> None:
        """Prepare the node; no I/O happens here."""
        transport = redis_transport(side.conf)
        self._node = Node(
            redis_broker(side.conf),
            name=beat_name(socket.gethostname()),
            is_alive=is_alive,
            client_name="carillon-beat",
            new_id=lambda: str(uuid.uuid4()),
            transport=transport,
            namespace=side.conf.get("control_exchange") or "celery",
            fanout_prefix=transport.fanout_prefix,
        )
        self._stop = anyio.Event()

    async def open(self) -> None:
        """Do nothing; the broker may be down."""

    async def serve(self) -> None:
        """Answer until drained."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._node.run)
            await self._stop.wait()
            tasks.cancel_scope.cancel()

    async def drain(self) -> None:
        """Answer no more."""
        self._stop.set()


def wants_beat_node(side: CelerySide) -> bool:
    """Say whether pings for beat are to be answered: they are unless turned off, on brokers with a fanout that is spoken here."""
    is_on = side.conf.get("beat_enable_remote_control", True) is not False
    return is_on and broker_kind(broker_address(side.conf)) is BrokerKind.REDIS
