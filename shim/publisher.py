"""The way into the broker: writes from many callers, gathered into few script calls.

A call costs the client about as much as a hundred messages do, so writes that arrive while one call is under way travel
together in the next. There is no delay: an idle publisher sends at once. Writes without a claim that follow each other into
the same list need no script: they travel in one ``LPUSH``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shim.claim import (
    BYTES_PER_CALL,
    PLAIN_WRITES_PER_CALL,
    SCRIPT,
    SCRIPT_SHA,
    WRITES_PER_CALL,
    Outcome,
    Write,
    WriteResult,
    check_writes,
    pack,
    plain_target,
    unpack,
)
from shim.errors import BrokerRefused, BrokerUnavailable, PublishUncertain
from shim.link import Link, Reply, ScriptMissing
from shim.pieces import Payload
from shim.transport import RedisTransport

PENDING_LIMIT = 20_000
"""Writes that may wait; further callers wait for room."""

TOLERANCE_US = 20_000
"""How far a claim may run ahead of the server's clock. Two hosts in step by NTP differ by less."""


_WRITTEN = WriteResult(Outcome.WRITTEN)


@dataclass(slots=True)
class _Call:
    count: int
    done: asyncio.Future[None]
    results: list[WriteResult] = field(default_factory=list)
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
        self._has_ended = False

    async def write(self, writes: Sequence[Write], *, are_checked: bool = False) -> list[WriteResult]:
        """Do ``writes`` in order and return their outcomes, one for each.

        Nothing is ever sent twice. ``NOT_WRITTEN`` and ``UNCERTAIN`` are outcomes too: the caller sends the same
        writes again when it sees fit, and their claims make that safe. After ``run`` has ended nothing is written, until
        it runs again; before it first runs, writes wait for it.

        Args:
            writes: what to do.
            are_checked: ``check_writes`` has found nothing wrong with them.

        Raises:
            BrokerRefused: the server answered with an error. What went in an earlier call of the script may have been done.
            RequestInvalid: a claim whose text has lone surrogates.
        """
        if not writes:
            return []
        if not are_checked:
            check_writes(writes)
        while len(self._waiting) >= PENDING_LIMIT:
            self._room.clear()
            await self._room.wait()
        if self._has_ended:
            return [WriteResult(Outcome.NOT_WRITTEN)] * len(writes)
        call = _Call(len(writes), asyncio.get_running_loop().create_future())
        self._waiting.extend([(call, write) for write in writes])
        self._arrived.set()
        await call.done
        if call.failure is not None:
            raise call.failure
        return call.results

    async def run(self) -> None:
        """Send what arrives, until cancelled; then tell whoever waits what is known: under way is uncertain, the rest unwritten."""
        self._has_ended = False
        try:
            while True:
                await self._arrived.wait()
                while self._waiting:
                    await self._send(*self._next_batch())
                    if len(self._waiting) < PENDING_LIMIT:
                        self._room.set()
                self._arrived.clear()
        finally:
            self._has_ended = True
            left = list(self._waiting)
            self._waiting.clear()
            self._room.set()
            _settle(left, [WriteResult(Outcome.NOT_WRITTEN)] * len(left))

    def _next_batch(self) -> tuple[list[tuple[_Call, Write]], str | None]:
        """Take what travels together, and the list it all goes to if it needs no script."""
        waiting, list_key = self._waiting, self._transport.list_key
        batch: list[tuple[_Call, Write]] = []
        first = plain_target(waiting[0][1])
        key = None if first is None else list_key(first)
        size = 0
        while waiting and len(batch) < (WRITES_PER_CALL if key is None else PLAIN_WRITES_PER_CALL):
            write = waiting[0][1]
            size += write.size_bytes
            if batch and size > BYTES_PER_CALL:
                break
            if key is not None:
                target = plain_target(write)
                if target is not first and (target is None or list_key(target) != key):
                    if len(batch) >= WRITES_PER_CALL:
                        break
                    key = None
            batch.append(waiting.popleft())
        return batch, key

    async def _send(self, batch: list[tuple[_Call, Write]], key: str | None) -> None:
        failure: BrokerRefused | None = None
        results = [WriteResult(Outcome.UNCERTAIN)] * len(batch)  # until there is an answer, and if this is cancelled
        try:
            writes = [write for _, write in batch]
            results = await self._run_script(writes) if key is None else await self._push(key, writes)
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

    async def _push(self, key: str, writes: Sequence[Write]) -> list[WriteResult]:
        try:
            await self._link.call("LPUSH", key, *[message.payload for write in writes for message in write.envelopes])
        except BrokerRefused as error:
            if error.server_code != "WRONGTYPE":
                raise
            return [WriteResult(Outcome.WRONG_TYPE, key)] * len(writes)
        return [_WRITTEN] * len(writes)

    async def _run_script(self, writes: Sequence[Write]) -> list[WriteResult]:
        keys, arguments = pack(writes, self._transport, tolerance_us=self._tolerance_us)
        return unpack(await self._evaluate(keys, arguments), keys)

    async def _evaluate(self, keys: list[str], arguments: list[Payload]) -> Reply:
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
        if len(call.results) == call.count and not call.done.done():  # its caller may have given up
            call.done.set_result(None)
