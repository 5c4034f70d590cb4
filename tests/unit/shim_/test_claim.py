"""Writes to the keys and arguments of a script call, and its answer to results."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from shim.claim import SCRIPT, SCRIPT_SHA, Claim, Outcome, Write, WriteResult, check_writes, pack, unpack
from shim.envelope import Envelope
from shim.errors import RequestInvalid
from shim.routing import Target
from shim.transport import RedisTransport

TRANSPORT = RedisTransport(key_prefix="p:")


def message(payload: str = "m", *, queue: str = "q", priority: int = 0) -> Envelope:
    return Envelope("id", Target(queue, priority), payload.encode())


def packed(*writes: Write, tolerance_us: int = 20) -> tuple[list[str], Any, list[bytes]]:
    keys, [plan, *payloads] = pack(writes, TRANSPORT, tolerance_us=tolerance_us)
    return keys, json.loads(bytes(plan)), list(map(bytes, payloads))


# -- packing -----------------------------------------------------------------------------------------------------------


def test_a_write_is_packed_as_the_script_reads_it() -> None:
    claim = Claim("ledger", "entry", "5", "6", not_before_us=1_790_000_000_000_001, ttl_s=60)
    keys, plan, payloads = packed(Write(claim, (message("m1"), message("m2", priority=9))), tolerance_us=20)
    assert keys == ["ledger", "p:q", "p:q\x06\x169"]
    assert plan == [20, [60], [[1, "entry", "5", "6", 1_790_000_000_000_001, [2, 3]]]]
    assert payloads == [b"m1", b"m2"]


def test_an_absent_value_is_expected_as_false() -> None:
    _, plan, _ = packed(Write(Claim("ledger", "entry", None, "1"), ()))
    assert plan == [20, [0], [[1, "entry", False, "1", 0, []]]]


def test_an_empty_value_is_expected_as_it_is() -> None:
    _, plan, _ = packed(Write(Claim("ledger", "entry", "", "1"), ()))
    assert plan[2] == [[1, "entry", "", "1", 0, []]]


def test_a_write_without_a_claim_names_none() -> None:
    keys, plan, payloads = packed(Write(None, (message(),)))
    assert (keys, plan, payloads) == (["p:q"], [20, [], [[0, "", False, "", 0, [1]]]], [b"m"])


def test_a_key_of_many_writes_is_named_once_claims_before_queues() -> None:
    keys, plan, payloads = packed(
        Write(None, (message("1", queue="a"),)),
        Write(Claim("x", "f", None, "1", ttl_s=7), (message("2", queue="b"), message("3", queue="a"))),
        Write(Claim("y", "g", None, "1"), (message("4", queue="a"),)),
        Write(Claim("x", "h", None, "1", ttl_s=7), ()),
    )
    assert keys == ["x", "y", "p:a", "p:b"]
    assert plan[1] == [7, 0]
    assert [[step[0], step[1], step[5]] for step in plan[2]] == [
        [0, "", [3]],
        [1, "f", [4, 3]],
        [2, "g", [3]],
        [1, "h", []],
    ]
    assert payloads == [b"1", b"2", b"3", b"4"]


def test_the_key_of_a_claim_is_taken_as_it_is_without_the_prefix_of_queues() -> None:
    keys, _, _ = packed(Write(Claim("ledger", "f", None, "1"), ()))
    assert keys == ["ledger"]


def test_text_beyond_ascii_survives_packing() -> None:
    _, plan, _ = packed(Write(Claim("ledger", "Größe 😀\x00", "ä", "ö"), ()))
    assert plan[2] == [[1, "Größe 😀\x00", "ä", "ö", 0, []]]


def test_the_size_of_a_write_is_that_of_its_payloads() -> None:
    assert Write(None, (message("four"), message("fïve"))).size_bytes == 4 + 5
    assert Write(None, ()).size_bytes == 0


def test_the_script_is_called_by_its_own_digest() -> None:
    assert hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest() == SCRIPT_SHA


# -- checking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim",
    [
        Claim("\ud800", "f", None, "1"),
        Claim("k", "\ud800", None, "1"),
        Claim("k", "f", "\ud800", "1"),
        Claim("k", "f", None, "\ud800"),
    ],
)
def test_a_claim_with_lone_surrogates_is_refused(claim: Claim) -> None:
    with pytest.raises(RequestInvalid, match="surrogates"):
        check_writes([Write(None, ()), Write(claim, ())])


def test_writes_that_can_be_sent_pass() -> None:
    check_writes(
        [Write(None, (message(),)), Write(Claim("Größe", "f", None, "1"), ()), Write(Claim("k", "f", "1", "2"), ())]
    )


# -- unpacking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "rest", "outcome", "found"),
    [
        (b"w", [], Outcome.WRITTEN, None),
        (b"a", [], Outcome.ALREADY, None),
        (b"l", [b"value"], Outcome.LOST, "value"),
        (b"l", [b""], Outcome.LOST, ""),
        (b"l", ["Größe".encode()], Outcome.LOST, "Größe"),
        (b"l", [b"\xffok"], Outcome.LOST, "\ufffdok"),
        (b"m", [], Outcome.LOST, None),
        (b"e", [], Outcome.EARLY, None),
        (b"x", [b"1"], Outcome.WRONG_TYPE, "first"),
        (b"x", [b"12"], Outcome.WRONG_TYPE, "twelfth"),
    ],
)
def test_a_letter_of_the_answer_becomes_an_outcome(
    letter: bytes, rest: list[bytes], outcome: Outcome, found: str | None
) -> None:
    keys = ["first", *"bcdefghijk", "twelfth"]
    assert unpack([b"1790000000000001", letter, *rest], keys) == [WriteResult(outcome, found, 1_790_000_000_000_001)]


def test_the_results_stand_in_the_order_of_the_letters_and_each_has_what_was_found_for_it() -> None:
    results = unpack([b"1", b"wlxal", b"five", b"2", b"six"], ["a", "b"])
    assert [(result.outcome, result.found) for result in results] == [
        (Outcome.WRITTEN, None),
        (Outcome.LOST, "five"),
        (Outcome.WRONG_TYPE, "b"),
        (Outcome.ALREADY, None),
        (Outcome.LOST, "six"),
    ]


def test_a_letter_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        unpack([b"1", b"?"], [])
