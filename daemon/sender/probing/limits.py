"""Probes of limits: what is too much is refused, and nobody else suffers."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress

from daemon.hl7listener.wire.framer import START, frame
from daemon.sender.line import NoReply
from daemon.sender.probing.bench import Bench, Call, End
from daemon.sender.probing.verdict import Outcome, Probe, Severity, deviates, failed, passed

_MB = 1_000_000
_LARGE, _ENDLESS = 16 * _MB, 64 * _MB
_CONNECTIONS, _ONCE = 60, 10
_PIECE = b"x" * 262_144


async def _one_mb(bench: Bench) -> Outcome:
    return await _sized(bench, _MB)


async def _sixteen_mb(bench: Bench) -> Outcome:
    return await _sized(bench, _LARGE)


async def _sized(bench: Bench, size_bytes: int) -> Outcome:
    message = bench.compose.message(more=f"NTE|1||{'x' * size_bytes}\r")
    async with bench.call() as call:
        taken = await call.send(frame(message))
        replies = await call.replies(1)
        observation = "" if replies else await bench.missing(call, 0, 1)
    if not await bench.still_serves():
        return failed("serves nobody any more")
    if replies:
        return passed(f"answers {replies[0].code}")
    if call.has_ended:
        return deviates(f"refuses it without an answer: {call.end.value if call.end else ''}")
    return failed(observation if taken else "does not take it, and does not answer")


async def _endless(bench: Bench) -> Outcome:
    async with bench.call() as call:
        await call.send(START + bench.compose.message())
        sent = 0
        while sent < _ENDLESS and not call.has_ended and await call.send(_PIECE):
            sent += len(_PIECE)
        await call.replies(1, 0.2)
        ended = call.has_ended
    if not await bench.still_serves():
        return failed(f"serves nobody any more after {sent // _MB} MB")
    if ended:
        return passed(f"ends the connection after {sent // _MB} MB")
    return failed(f"takes {sent // _MB} MB and holds the connection")


async def _several(bench: Bench) -> Outcome:
    return await _connections(bench, _ONCE)


async def _many(bench: Bench) -> Outcome:
    return await _connections(bench, _CONNECTIONS)


async def _connections(bench: Bench, count: int) -> Outcome:
    async with AsyncExitStack() as stack:
        calls: list[Call] = []
        with suppress(NoReply):
            while len(calls) < count:
                calls.append(await stack.enter_async_context(bench.call()))
        for call in calls:
            await call.send(frame(bench.compose.message()))
        answered = silent = 0
        for call in calls:
            got = await call.replies(1, bench.timeout_s if not silent else 0.2)
            answered += bool(got)
            silent += not got and call.end is End.SILENCE
    if not await bench.still_serves():
        return failed("serves nobody any more")
    if silent:
        return failed(f"{answered} of {count} connections answered; {silent} are open and get no answer")
    if answered < count:
        return deviates(f"{answered} of {count} connections answered; the others are refused")
    return passed(f"{count} connections answered")


PROBES: tuple[Probe[Bench], ...] = (
    Probe("limits/1-mb", "a message of 1 MB", "an answer", Severity.STANDSTILL, _one_mb),
    Probe("limits/10-connections", "10 connections at once", "all are answered", Severity.STANDSTILL, _several),
    Probe("limits/16-mb", "a message of 16 MB", "an answer", Severity.STANDSTILL, _sixteen_mb, is_aggressive=True),
    Probe("limits/endless", "a block that does not end, up to 64 MB", "the connection is ended", Severity.STANDSTILL, _endless, is_aggressive=True),
    Probe("limits/60-connections", "60 connections at once", "all are answered, or refused", Severity.STANDSTILL, _many, is_aggressive=True),
)  # fmt: skip
