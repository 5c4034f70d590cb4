"""The way into the broker: writes from many callers, gathered into few script calls.

A call costs the client about as much as a hundred messages do, so writes that arrive while one call is under way travel
together in the next. There is no delay: an idle publisher sends at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shim.claim import (
    BYTES_PER_CALL,
    SCRIPT,
    SCRIPT_SHA,
    WRITES_PER_CALL,
    Outcome,
    Write,
    WriteResult,
    check_writes,
    pack,
    unpack,
)
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain
from shim.link import Link, Reply, ScriptMissing
from shim.transport import RedisTransport

PENDING_LIMIT = 20_000
"""Writes that may wait; further callers wait for room."""

TOLERANCE_US = 20_000
"""How far a claim may run ahead of the server's clock. Two hosts in step by NTP differ by less."""


@dataclass(slots=True)
class _Call:
    count: int
    results: list[WriteResult] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BrokerRefused | None = None


class Publisher:
    """Gathers writes and sends them. ``run`` must be running for ``write`` to come back."""

    def __init__(self, link: Link, transport: RedisTransport, *, tolerance_us: int = TOLERANCE_US) -> None:
        """Keep the collaborators; no I/O happens here."""
        self._link = link
        self._transport = transport
        self._tolerance_us = tolerance_us
        self._waiting: deque[tuple[_Call, Write]] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Do ``writes`` in order and return their outcomes, one for each.

        Nothing is ever sent twice. ``NOT_WRITTEN`` and ``UNCERTAIN`` are outcomes too: the caller sends the same
        writes again when it sees fit, and their claims make that safe.

        Raises:
            BrokerRefused: the server answered with an error. What went in an earlier call of the script may have been done.
            RequestInvalid: a claim whose text has lone surrogates.
        """
        if not writes:
            return []
        check_writes(writes)
        while len(self._waiting) >= PENDING_LIMIT:
            self._room.clear()
            await self._room.wait()
        call = _Call(len(writes))
        self._waiting.extend([(call, write) for write in writes])
        self._arrived.set()
        await call.done.wait()
        if call.failure is not None:
            raise call.failure
        return call.results

    async def run(self) -> None:
        """Send what arrives, until cancelled; then tell whoever waits what is known: under way is uncertain, the rest unwritten."""
        try:
            while True:
                await self._arrived.wait()
                while self._waiting:
                    await self._send(self._next_batch())
                    if len(self._waiting) < PENDING_LIMIT:
                        self._room.set()
                self._arrived.clear()
        finally:
            left = list(self._waiting)
            self._waiting.clear()
            self._room.set()
            _settle(left, [WriteResult(Outcome.NOT_WRITTEN)] * len(left))

    def _next_batch(self) -> list[tuple[_Call, Write]]:
        waiting = self._waiting
        batch: list[tuple[_Call, Write]] = []
        size = 0
        while waiting and len(batch) < WRITES_PER_CALL:
            size += waiting[0][1].size_bytes
            if batch and size > BYTES_PER_CALL:
                break
            batch.append(waiting.popleft())
        return batch

    async def _send(self, batch: list[tuple[_Call, Write]]) -> None:
        failure: BrokerRefused | None = None
        results = [WriteResult(Outcome.UNCERTAIN)] * len(batch)  # until there is an answer, and if this is cancelled
        try:
            keys, arguments = pack([write for _, write in batch], self._transport, tolerance_us=self._tolerance_us)
            results = unpack(await self._evaluate(keys, arguments), keys)
        except BrokerUnavailable:
            # Whoever waits would meet the same refusal after the same time-out: all of them were surely not written.
            batch.extend(self._waiting)
            self._waiting.clear()
            results = [WriteResult(Outcome.NOT_WRITTEN)] * len(batch)
        except PublishUncertain:
            pass
        except BrokerRefused as error:
            failure = error
        finally:
            _settle(batch, results, failure)

    async def _evaluate(self, keys: list[str], arguments: list[bytes]) -> Reply:
        try:
            return await self._link.call("EVALSHA", SCRIPT_SHA, len(keys), *keys, *arguments)
        except ScriptMissing:
            # Nothing ran: the server was restarted or its scripts were flushed.
            return await self._link.call("EVAL", SCRIPT, len(keys), *keys, *arguments)


def _settle(
    batch: Sequence[tuple[_Call, Write]], results: Sequence[WriteResult], failure: BrokerRefused | None = None
) -> None:
    for (call, _), result in zip(batch, results, strict=True):
        call.results.append(result)
        call.failure = call.failure or failure
        if len(call.results) == call.count:
            call.done.set()
