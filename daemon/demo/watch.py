"""Looking at the demo from outside: the daemon's metrics over HTTP, the broker, the results, the spool's own file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio.to_thread
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from daemon.audit.trail_file import CURRENT
from daemon.deeds import DeedKind
from daemon.hl7listener.spool.opening import FILE
from daemon.settings.values import Address

QUEUE = "bedboard"
_SCAN = 1000
_BY_HAND = {DeedKind.TASK_SENT.value, DeedKind.MESSAGES_REPLAYED.value}


@dataclass(slots=True)
class Seen:
    """What one look showed."""

    fires: int = 0
    waiting: int = 0
    queued: int = 0
    succeeded: int = 0
    failed: int = 0
    spooled: int = 0
    by_hand: int = 0
    wards: dict[str, int] = field(default_factory=dict)


class Watch:
    """Reads all sources."""

    def __init__(self, api: Address, broker_url: str, state_dir: Path) -> None:
        """Keep where everything is."""
        self._metrics_url = f"http://{api}/metrics"
        self._redis = Redis.from_url(broker_url, retry=Retry(NoBackoff(), 0), socket_timeout=5.0)
        self._spool = state_dir / FILE
        self._states: dict[bytes, str] = {}
        self._trail, self._read_bytes, self._by_hand = state_dir / CURRENT, 0, 0

    async def look(self, http: aiohttp.ClientSession) -> Seen:
        """Look at everything once.

        Raises:
            OSError, aiohttp.ClientError, redis.RedisError: a source did not answer.
        """
        seen = Seen()
        async with http.get(self._metrics_url) as response:
            self._read_metrics(await response.text(), seen)
        keys = (QUEUE, *(f"{QUEUE}\x06\x16{step}" for step in (3, 6, 9)))
        seen.queued = sum([await self._redis.llen(key) for key in keys])
        await self._read_results(seen)
        census = await self._redis.get("bedboard:census")
        seen.wards = json.loads(census)["wards"] if census else {}
        seen.spooled = await anyio.to_thread.run_sync(self._count_spooled)
        seen.by_hand = await anyio.to_thread.run_sync(self._count_by_hand)
        return seen

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    def _read_metrics(self, text: str, seen: Seen) -> None:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "carillon_occurrences_total" and sample.labels["outcome"] == "enqueued":
                    seen.fires += int(sample.value)
                elif sample.name == "carillon_spool_messages":
                    seen.waiting += int(sample.value)

    async def _read_results(self, seen: Seen) -> None:
        """Read the state of every result; final ones are read once."""
        fresh = [
            key
            async for key in self._redis.scan_iter(match="celery-task-meta-*", count=_SCAN)
            if key not in self._states
        ]
        for start in range(0, len(fresh), _SCAN):
            some = fresh[start : start + _SCAN]
            values: list[Any] = await self._redis.mget(some)
            for key, value in zip(some, values, strict=True):
                state = json.loads(value)["status"] if value else ""
                if state in ("SUCCESS", "FAILURE", "REVOKED"):
                    self._states[key] = state
        seen.succeeded = sum(state == "SUCCESS" for state in self._states.values())
        seen.failed = len(self._states) - seen.succeeded

    def _count_spooled(self) -> int:
        database = sqlite3.connect(f"{self._spool.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            [[count]] = database.execute("SELECT count(*) FROM message")
            return int(count)
        finally:
            database.close()

    def _count_by_hand(self) -> int:
        """Count what somebody had done through page or API; the trail is read on from where the last look ended."""
        with suppress(FileNotFoundError), self._trail.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                self._by_hand += json.loads(line)["kind"] in _BY_HAND
        return self._by_hand
