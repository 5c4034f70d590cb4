"""A message that is made piece by piece, on its way to the server: whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from shim.claim import Outcome, Write
from shim.envelope import Envelope
from shim.pieces import Pieces
from shim.routing import Target
from tests.support.publishing import LEDGER, bad_link, claim, linked, message, outcomes, publishing, queued, through
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

PIECE, COUNT = b"0123456789abcdef" * 16, 40_000
WHOLE_BYTES = len(PIECE) * COUNT


def pieces() -> Pieces:
    return Pieces(lambda: iter([PIECE] * COUNT))


def in_pieces(queue: str = "q") -> Envelope:
    return Envelope("large", Target(queue, 0), pieces())


async def test_a_claim_pushes_a_message_in_pieces_between_others(valkey: ValkeyServer) -> None:
    small = [message("before"), message("after", queue="other")]
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([Write(claim(), (small[0], in_pieces(), small[1]))])
    assert outcomes(results) == [Outcome.WRITTEN]
    assert valkey.client.lrange("q", 0, -1) == [PIECE * COUNT, small[0].payload]
    assert queued(valkey, "other") == ["after"]


async def test_a_message_in_pieces_needs_no_claim(valkey: ValkeyServer) -> None:
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([Write(None, (in_pieces(),))])) == [Outcome.WRITTEN]
    assert valkey.client.lrange("q", 0, -1) == [PIECE * COUNT]


async def test_a_server_without_the_script_is_sent_the_pieces_once_more(valkey: ValkeyServer) -> None:
    valkey.client.script_flush()
    async with publishing(valkey.url) as publisher:
        results = await publisher.write([Write(claim(), (in_pieces(),))])
    assert outcomes(results) == [Outcome.WRITTEN]
    assert valkey.client.llen("q") == 1


async def test_the_answer_after_pieces_is_that_of_the_next_command(valkey: ValkeyServer) -> None:
    async with linked(valkey.url) as link:
        assert await link.call("APPEND", "text", pieces()) == WHOLE_BYTES
        assert await link.call("APPEND", "text", "ä") == WHOLE_BYTES + 2
        assert await link.call("STRLEN", "text") == WHOLE_BYTES + 2


async def test_pieces_are_made_no_faster_than_the_server_takes_them(valkey: ValkeyServer) -> None:
    made = 0

    def counted() -> Iterator[bytes]:
        nonlocal made
        for _ in range(COUNT):
            made += 1
            yield PIECE

    payload = Pieces(counted)
    made = 0
    async with bad_link(valkey) as proxy, linked(through(proxy)) as link:
        await link.call("PING")
        proxy.freeze()
        with anyio.move_on_after(1):
            await link.call("SET", "key", payload)
        assert 0 < made < COUNT / 2


async def test_a_message_cut_off_in_the_middle_was_not_pushed_and_can_be_sent_again(valkey: ValkeyServer) -> None:
    write = Write(claim(), (in_pieces(),))
    async with bad_link(valkey) as proxy, publishing(through(proxy)) as publisher:
        await publisher.write([Write(None, (message("first"),))])
        proxy.freeze()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publisher.write, [write])
            await proxy.held.wait()
            tasks.cancel_scope.cancel()
    async with publishing(valkey.url) as publisher:
        assert outcomes(await publisher.write([write])) == [Outcome.WRITTEN]
        assert outcomes(await publisher.write([write])) == [Outcome.ALREADY]
    assert valkey.client.llen("q") == 2
    assert valkey.client.hgetall(LEDGER) == {b"entry": b"1"}
