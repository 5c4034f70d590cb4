"""The history of a site as a stream in Redis, read on a connection of its own."""

from __future__ import annotations

from typing import Any

from daemon.dispatch.celery_side import CelerySide
from daemon.errors import BrokerDown, HistoryFailed
from daemon.keys import SiteKey, site_key
from daemon.public import Public
from daemon.scheduler.ports import HistoryPage, HistoryRecord
from shim.client.carriers import redis_transport
from shim.client.conf import BrokerKind, broker_address, broker_kind, redis_broker
from shim.errors import BrokerRefused, ShimError
from shim.link import Link

FIRST = "0-0"
FIELD = b"record"
REPLY_LIMIT_S = 15.0
"""Patience with an answer, the wait for a record included."""

_RECORD_LIMIT_BYTES = 64 * 1024


class HistoryStream:
    """Reads what orders wrote."""

    def __init__(self, side: CelerySide, site: Public) -> None:
        """Keep the address; no I/O happens here.

        Raises:
            BrokerUrlInvalid: an address that cannot be spoken to.
        """
        self._key = redis_transport(side.conf).key_prefix + site_key(site, SiteKey.HISTORY)
        self._link = Link(redis_broker(side.conf), client_name="carillon-history", reply_timeout_s=REPLY_LIMIT_S)
        self._is_checked = False
        self._has_more = False

    async def read(self, after: str, *, most: int, wait_s: float) -> HistoryPage:
        """Read the records that follow a place (empty: from the first), waiting so long for one to come.

        Raises:
            BrokerDown: the broker does not answer.
            HistoryFailed: it refuses.
        """
        try:
            is_gap = False
            if not self._is_checked or self._has_more:  # after a break, and while the stream may be cut behind us
                after, is_gap = await self._found(after)
            command = (
                "XREAD",
                "COUNT",
                most,
                "BLOCK",
                max(round(wait_s * 1000), 1),
                "STREAMS",
                self._key,
                after or FIRST,
            )
            reply: Any = await self._link.call(*command)
            self._is_checked = True
        except BrokerRefused as error:
            self._is_checked = False
            raise HistoryFailed(f"{self._key}: {error}", hint=error.hint) from None
        except ShimError as error:
            self._is_checked = False
            raise BrokerDown(str(error), hint=error.hint) from None
        rows = reply[0][1] if reply else []
        self._has_more = len(rows) >= most
        records = [_record(place.decode(), fields or []) for place, fields in rows]
        return HistoryPage(tuple(records), is_gap)

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def _found(self, after: str) -> tuple[str, bool]:
        """Say from where to read on, and whether records behind ``after`` may be gone unread."""
        if not after:
            return FIRST, False
        first: Any = await self._link.call("XRANGE", self._key, "-", "+", "COUNT", 1)
        last: Any = await self._link.call("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        if not last or _order(last[0][0].decode()) < _order(after):
            return FIRST, True  # the broker forgot it, or is another one
        return after, _order(first[0][0].decode()) > _order(after)


def _record(place: str, fields: list[bytes]) -> HistoryRecord:
    text = next((value for name, value in zip(fields[::2], fields[1::2], strict=False) if name == FIELD), b"")
    return HistoryRecord(place, text[:_RECORD_LIMIT_BYTES], _order(place)[0] * 1000)


def _order(place: str) -> tuple[int, int]:
    milliseconds, _, number = place.partition("-")
    return int(milliseconds), int(number or 0)


def make_history_source(side: CelerySide, site: Public) -> HistoryStream | None:
    """Make the stream of a site; ``None`` where the dispatcher itself tells of records."""
    return HistoryStream(side, site) if broker_kind(broker_address(side.conf)) is BrokerKind.REDIS else None
