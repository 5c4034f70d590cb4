"""Guards and records: what is refused, and the form the script reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shim.claim import Claim, Outcome, Write, WriteResult, check_writes, pack, plain_target, unpack
from shim.envelope import Envelope
from shim.errors import RequestInvalid
from shim.guard.guard import (
    NAME_LIMIT,
    PARTS_LIMIT,
    RECORD_BYTES,
    SLOTS_LIMIT,
    SPAN_LIMIT_US,
    Guard,
    RateClaim,
    Record,
    SlotClaim,
)
from shim.routing import Target
from shim.transport import RedisTransport

CLAIM = Claim("ledger", "entry", None, "1")
SLOT = SlotClaim("slots:a", "a", 1, 1000)
RATE = RateClaim("rate:a", 3, 1000)
RECORD = Record("history", 100, "{}")
MESSAGE = Envelope("id", Target("q", 0), b"m")


def packed(*writes: Write) -> tuple[list[str], Any]:
    keys, [plan, *_] = pack(writes, RedisTransport(key_prefix="p:"), tolerance_us=20)
    return keys, json.loads(bytes(plan))


# -- packing -----------------------------------------------------------------------------------------------------------


def test_a_guard_is_packed_as_the_script_reads_it() -> None:
    slot = SLOT._replace(evict=("old", "old", "me"))
    guard = Guard("me", "running", (slot,), (RATE,), "hold")
    keys, plan = packed(Write(CLAIM, (MESSAGE,), guard, (RECORD,)))
    assert keys == ["ledger", "running", "hold", "slots:a", "rate:a", "history", "p:q"]
    assert plan == [
        20,
        [0],
        [
            [
                1,
                "entry",
                False,
                "1",
                0,
                [7],
                ["me", 2, 3, [[4, "a", 1, 1000, ["old"]]], [[5, 334, 668]]],
                [[6, 100, "{}"]],
            ]
        ],
        {},
        [],
        ["running", "hold", "slots", "rate", "records"],
    ]


def test_keys_that_guards_share_are_named_once() -> None:
    guard = Guard("me", "running", (SLOT,), hold_key="hold")
    keys, plan = packed(Write(CLAIM, (), guard), Write(None, (), guard._replace(holder="you"), (RECORD,)))
    assert keys == ["ledger", "running", "hold", "slots:a", "history"]
    assert [step[6][:3] for step in plan[2]] == [["me", 2, 3], ["you", 2, 3]]


def test_a_write_without_guard_and_record_is_packed_as_ever_beside_one_that_has_them() -> None:
    _, plan = packed(Write(CLAIM, ()), Write(CLAIM, (), None, (RECORD,)))
    assert plan[2] == [[1, "entry", False, "1", 0, []], [1, "entry", False, "1", 0, [], False, [[2, 100, "{}"]]]]


def test_what_a_guard_does_not_use_is_no_key() -> None:
    keys, plan = packed(Write(None, (), Guard("", "running", (), (RATE,))))
    assert keys == ["rate:a"]
    assert plan[2][0][6] == ["", 0, 0, [], [[1, 334, 668]]]


@pytest.mark.parametrize(("most", "per_us", "interval_us"), [(1, 10, 10), (3, 10, 4), (10, 10, 1), (11, 10, 1)])
def test_what_one_uses_up_is_rounded_so_that_the_rate_is_kept(most: int, per_us: int, interval_us: int) -> None:
    assert RateClaim("k", most, per_us).interval_us == interval_us


def test_only_a_write_without_guard_and_record_needs_no_script() -> None:
    assert plain_target(Write(None, (MESSAGE,))) == MESSAGE.target
    assert plain_target(Write(None, (MESSAGE,), Guard(hold_key="hold"))) is None
    assert plain_target(Write(None, (MESSAGE,), None, (RECORD,))) is None


# -- checking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("guard", "named"),
    [
        (Guard("", "running", (SLOT,)), "holder"),
        (Guard("a\nb", "running", (SLOT,)), "holder"),
        (Guard("me", "", (SLOT,)), "running_key"),
        (Guard("me", "running", (SLOT._replace(key=""),)), "slot key"),
        (Guard("me", "running", (SLOT._replace(scope="a\nb"),)), "scope"),
        (Guard("me", "running", (SLOT._replace(scope="\ud800"),)), "scope"),
        (Guard("me", "running", (SLOT._replace(scope="a" * (NAME_LIMIT + 1)),)), "scope"),
        (Guard("me", "running", (SLOT._replace(limit=0),)), "slot limit"),
        (Guard("me", "running", (SLOT._replace(limit=SLOTS_LIMIT + 1),)), "slot limit"),
        (Guard("me", "running", (SLOT._replace(stale_us=0),)), "stale_us"),
        (Guard("me", "running", (SLOT._replace(evict=("",)),)), "evict"),
        (Guard("me", "running", (SLOT._replace(evict=("x",) * (PARTS_LIMIT + 1)),)), "evict"),
        (Guard("me", "running", (SLOT,) * (PARTS_LIMIT + 1)), "at most"),
        (Guard(rates=(RATE._replace(most=0),)), "most"),
        (Guard(rates=(RATE._replace(per_us=0),)), "per_us"),
        (Guard(rates=(RATE._replace(per_us=SPAN_LIMIT_US + 1),)), "per_us"),
        (Guard(rates=(RATE._replace(key="\ud800"),)), "rate key"),
        (Guard(rates=(RATE, RATE)), "twice"),
        (Guard(hold_key=""), "hold_key"),
    ],
)
def test_a_guard_the_script_could_not_work_with_is_refused(guard: Guard, named: str) -> None:
    with pytest.raises(RequestInvalid, match=named):
        check_writes([Write(CLAIM, (), guard)])


@pytest.mark.parametrize(
    ("records", "named"),
    [
        ((RECORD._replace(key=""),), "record key"),
        ((RECORD._replace(max_len=0),), "max_len"),
        ((RECORD._replace(text="\ud800"),), "surrogates"),
        ((RECORD._replace(text="ä" * (RECORD_BYTES // 2 + 1)),), "bytes"),
        ((RECORD,) * (PARTS_LIMIT + 1), "at most"),
    ],
)
def test_a_record_that_is_no_short_text_is_refused(records: tuple[Record, ...], named: str) -> None:
    with pytest.raises(RequestInvalid, match=named):
        check_writes([Write(CLAIM, (), None, records)])


def test_the_largest_that_is_taken_passes() -> None:
    slot = SlotClaim("k" * NAME_LIMIT, "Größe", SLOTS_LIMIT, SPAN_LIMIT_US, ("x",) * PARTS_LIMIT)
    rate = RateClaim("r", SPAN_LIMIT_US, SPAN_LIMIT_US)
    guard = Guard("me", "running", (slot,) * PARTS_LIMIT, (rate,), "hold")
    check_writes([Write(CLAIM, (), guard, (RECORD._replace(text="x" * RECORD_BYTES),) * PARTS_LIMIT)])


# -- unpacking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("letter", "outcome"), [(b"f", Outcome.FULL), (b"t", Outcome.THROTTLED), (b"h", Outcome.HELD)])
def test_a_refusal_tells_what_was_found(letter: bytes, outcome: Outcome) -> None:
    assert unpack([b"7", b"w" + letter, b"why\xff"], []) == [
        WriteResult(Outcome.WRITTEN, None, 7),
        WriteResult(outcome, "why\ufffd", 7),
    ]
