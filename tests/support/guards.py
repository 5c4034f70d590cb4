"""Writes behind guards as tests make them, and what they left in the server."""

from __future__ import annotations

from shim.claim import Write
from shim.guard import Guard, RateClaim, Record, SlotClaim
from tests.support.publishing import HOUR_US, claim, message
from tests.support.valkey import ValkeyServer

RUNNING, HOLD, HISTORY = "running", "hold", "history"


def slot(scope: str = "a", limit: int = 1, *evict: str, stale_us: int = HOUR_US) -> SlotClaim:
    return SlotClaim(f"slots:{scope}", scope, limit, stale_us, evict)


def rate(most: int, per_us: int = HOUR_US, scope: str = "a") -> RateClaim:
    return RateClaim(f"rate:{scope}", most, per_us)


def behind(holder: str, *parts: SlotClaim | RateClaim, heeds: bool = True, records: tuple[str, ...] = ()) -> Write:
    """Write a message of a claim of its own that must pass a guard."""
    guard = Guard(
        holder,
        RUNNING,
        tuple(one for one in parts if isinstance(one, SlotClaim)),
        tuple(one for one in parts if isinstance(one, RateClaim)),
        HOLD if heeds else None,
    )
    return Write(claim(holder), (message(holder),), guard, tuple(Record(HISTORY, 100, text) for text in records))


def now_us(server: ValkeyServer) -> int:
    seconds, micros = server.client.time()
    return int(seconds) * 1_000_000 + int(micros)


def places(server: ValkeyServer, scope: str = "a") -> list[str]:
    return [one.decode() for one in server.client.zrange(f"slots:{scope}", 0, -1)]


def running(server: ValkeyServer) -> dict[str, str]:
    return {name.decode(): text.decode() for name, text in server.client.hgetall(RUNNING).items()}


def history(server: ValkeyServer) -> list[str]:
    return [fields[b"record"].decode() for _, fields in server.client.xrange(HISTORY)]
