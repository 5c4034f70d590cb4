"""Claims: a compare-and-set on a hash field that is checked and advanced in the same script that pushes.

A claim makes a push safe to repeat. A request whose reply was lost may be applied later still; whoever comes second,
the retry or the late original, finds the field already advanced and pushes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import Enum
from importlib import resources
from typing import NamedTuple

import orjson

from shim.envelope import Envelope
from shim.errors import RequestInvalid
from shim.guard.guard import Guard, Record, check_guard, check_records, keys_of, packed
from shim.pieces import Payload
from shim.routing.target import Target
from shim.transport import RedisTransport

SCRIPT = "".join(
    resources.files(package).joinpath(name).read_text(encoding="utf-8")
    for package, name in (("shim.guard", "guard.lua"), ("shim", "claim.lua"))
)
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()

WRITES_PER_CALL = 100
"""A script blocks the whole server; batches stay small."""

PLAIN_WRITES_PER_CALL = 1000
"""Writes that need no script; the server takes a thousand elements in less than a millisecond."""

BYTES_PER_CALL = 1024 * 1024
"""Payload bytes after which a batch is closed; a single larger message travels alone."""


class Claim(NamedTuple):
    """What must hold in the broker for a push to happen.

    Attributes:
        key: Redis hash, with any prefix.
        field: field of the hash.
        expect: value the field must hold; ``None`` if it must be absent.
        advance_to: value it holds afterwards. Found there already, the write was done before.
        not_before_us: earliest server time, microseconds since the epoch; 0 for any.
        ttl_s: seconds the hash lives after its last advance; 0 for ever.
    """

    key: str
    field: str
    expect: str | None
    advance_to: str
    not_before_us: int = 0
    ttl_s: int = 0


class Write(NamedTuple):
    """Messages pushed together under one claim; no message means the claim alone advances.

    Attributes:
        guard: what else must allow it, once the claim holds.
        records: what is told of it, if it is done.
    """

    claim: Claim | None
    envelopes: tuple[Envelope, ...]
    guard: Guard | None = None
    records: tuple[Record, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Payload bytes of all messages."""
        envelopes = self.envelopes
        if len(envelopes) == 1:
            return len(envelopes[0].payload)
        return sum(len(envelope.payload) for envelope in envelopes)


class Outcome(Enum):
    """What became of a write."""

    WRITTEN = "written"
    ALREADY = "already"
    """The field held the value to advance to: this write, or an equal one, was done before."""
    LOST = "lost"
    """The field held something else; ``found`` tells what."""
    EARLY = "early"
    """The server's clock has not reached ``not_before_us``."""
    FULL = "full"
    """No place is left; ``found`` is the scope and, one each line, up to 100 who hold one."""
    THROTTLED = "throttled"
    """A rate is used up; ``found`` is the server time from which it is not."""
    HELD = "held"
    """``hold_key`` is there; ``found`` is the beginning of what it holds."""
    WRONG_TYPE = "wrong-type"
    """A key holds something of another type than it should; ``found`` names it."""
    NOT_WRITTEN = "not-written"
    """Nothing was sent."""
    UNCERTAIN = "uncertain"
    """Sent, and no answer came. The same write again resolves it."""


class WriteResult(NamedTuple):
    """Outcome of a write, what was found instead, and the server's clock (0 if it did not tell)."""

    outcome: Outcome
    found: str | None = None
    server_us: int = 0


def check_writes(writes: Sequence[Write]) -> None:
    """Refuse what could not be packed; one such write would fail all that travel with it.

    Raises:
        RequestInvalid: a claim whose text has lone surrogates; a guard or record that is not sound.
    """
    for claim, _, guard, records in writes:
        if guard is not None:
            check_guard(guard)
        if records:
            check_records(records)
        if claim is not None:
            try:
                f"{claim.key}{claim.field}{claim.expect}{claim.advance_to}".encode()
            except UnicodeEncodeError:
                message = "claim: text with lone surrogates is not Unicode and cannot travel"
                raise RequestInvalid(message) from None


def pack(writes: Sequence[Write], transport: RedisTransport, *, tolerance_us: int) -> tuple[list[str], list[Payload]]:
    """Write the keys and the arguments of one script call; ``claim.lua`` describes them."""
    claims: dict[str, int] = {}
    ttls: list[int] = []
    for write in writes:
        claim = write.claim
        if claim is not None and claim.key not in claims:
            claims[claim.key] = len(claims) + 1
            ttls.append(claim.ttl_s)
    extra = _extra_numbers(writes, len(claims))
    places = _Places(transport, len(claims) + len(extra))
    numbers: dict[Target, int] = {}
    steps: list[tuple[object, ...]] = []
    payloads: list[Payload] = []
    for claim, envelopes, guard, records in writes:
        targets = []
        for _, target, payload in envelopes:
            number = numbers.get(target)
            if number is None:
                number = numbers[target] = places.number(target)
            targets.append(number)
            payloads.append(payload)
        if claim is None:
            step: tuple[object, ...] = (0, "", False, "", 0, targets)
        else:
            key, field, expect, advance_to, not_before_us, _ = claim
            expected = False if expect is None else expect
            step = (claims[key], field, expected, advance_to, not_before_us, targets)
        if guard is not None or records:
            step = (*step, *packed(guard, records, extra))
        steps.append(step)
    plan: tuple[object, ...] = (tolerance_us, ttls, steps)
    if places.expiries or places.channels or extra:
        plan = (*plan, places.expiries, list(places.channels))
    if extra:
        plan = (*plan, [kind for _, kind in extra])
    return [*claims, *(key for key, _ in extra), *places.keys], [orjson.dumps(plan), *payloads]


def _extra_numbers(writes: Sequence[Write], before: int) -> dict[tuple[str, str], int]:
    """Number what guards and records need, after ``before`` other keys."""
    numbers: dict[tuple[str, str], int] = {}
    for write in writes:
        if write.guard is not None or write.records:
            for place in keys_of(write.guard, write.records):
                numbers.setdefault(place, before + len(numbers) + 1)
    return numbers


class _Places:
    """Numbers the keys and channels of one call."""

    def __init__(self, transport: RedisTransport, claims: int) -> None:
        self._transport = transport
        self._claims = claims
        self.keys: dict[str, int] = {}
        self.channels: dict[str, int] = {}
        self.expiries: dict[str, list[int]] = {}

    def number(self, target: Target) -> int:
        if target.exchange:
            channel = self._transport.channel(target.exchange, target.routing_key)
            return -self.channels.setdefault(channel, len(self.channels) + 1)
        number = self._key(self._transport.list_key(target))
        if target.queue_expires_ms:
            lists = [self._key(key) for key in self._transport.list_keys(target.queue)]
            self.expiries[str(number)] = [target.queue_expires_ms, *lists]
        return number

    def _key(self, key: str) -> int:
        return self.keys.setdefault(key, self._claims + len(self.keys) + 1)


def plain_target(write: Write) -> Target | None:
    """Name the one target of a write that needs no script: no claim, no expiry, no fanout, nothing to do in one step."""
    claim, envelopes, guard, records = write
    if claim is not None or guard is not None or records or not envelopes:
        return None
    first = envelopes[0].target
    if first.exchange or first.queue_expires_ms:
        return None
    if len(envelopes) > 1 and any(envelope.target != first for envelope in envelopes):
        return None
    return first


_OUTCOMES = {
    "a": Outcome.ALREADY,
    "m": Outcome.LOST,
    "e": Outcome.EARLY,
}
_TOLD = {"l": Outcome.LOST, "f": Outcome.FULL, "t": Outcome.THROTTLED, "h": Outcome.HELD}


def unpack(reply: Sequence[bytes], keys: Sequence[str]) -> list[WriteResult]:
    """Read the script's answer; ``keys`` are the keys of the call, to name one of a wrong type."""
    server_us = int(reply[0])
    letters, found = reply[1].decode(), iter(reply[2:])
    written = WriteResult(Outcome.WRITTEN, None, server_us)
    results = []
    for letter in letters:
        if letter == "w":
            results.append(written)
        elif letter in _TOLD:
            text = next(found).decode(errors="replace")  # anyone may have written there
            results.append(WriteResult(_TOLD[letter], text, server_us))
        elif letter == "x":
            results.append(WriteResult(Outcome.WRONG_TYPE, keys[int(next(found)) - 1], server_us))
        else:
            results.append(WriteResult(_OUTCOMES[letter], None, server_us))
    return results
