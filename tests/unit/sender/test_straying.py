"""Odd senders are odd in the ways they are asked to be, and a framer that is lenient loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.wire.framer import Block, Framer, Strayed
from daemon.sender.hospital.chance import seeded
from daemon.sender.outgoing import Outgoing, outgoing
from daemon.sender.straying import ODDITIES, strayed
from tests.support.builders import adt


def row(length: int) -> list[Outgoing]:
    return [outgoing("x", number, adt(f"M{number}")) for number in range(1, length + 1)]


def test_without_oddities_everything_stays_as_it_is() -> None:
    assert list(strayed(row(50), frozenset(), seeded(1), 50)) == row(50)


@given(st.sets(st.sampled_from(sorted(ODDITIES))), st.integers(0, 2**32), st.integers(1, 60))
def test_a_lenient_framer_finds_every_message_of_an_odd_sender(oddities: set[str], seed: int, length: int) -> None:
    framer = Framer(1 << 20)
    found = []
    sent = list(strayed(row(length), frozenset(oddities), seeded(seed), length))
    for one in sent:
        for piece in one.pieces:
            found += [event.data for event in framer.feed(piece) if isinstance(event, Block)]
    plain = [data.replace(b"\r\n", b"\n").replace(b"\n", b"\r") for data in found]
    assert plain == [adt(one.control_id) for one in sent]
    assert [one.control_id for one in sent if not one.is_resend] == [f"M{n}" for n in range(1, length + 1)]


@pytest.mark.parametrize("oddity", sorted(ODDITIES))
def test_each_oddity_shows(oddity: str) -> None:
    sent = list(strayed(row(60), frozenset((oddity,)), seeded(2), 60))
    framer = Framer(1 << 20)
    deviations = {
        event.kind.value
        for one in sent
        for piece in one.pieces
        for event in framer.feed(piece)
        if isinstance(event, Strayed)
    }
    shows = {
        "lf-ends": any(b"\r" not in one.data for one in sent),
        "crlf-ends": any(b"\r\n" in one.data for one in sent),
        "no-cr": "no-cr-after-fs" in deviations,
        "lf-after-fs": "lf-after-fs" in deviations,
        "noise": len(deviations) > 0,
        "double-start": "double-start" in deviations,
        "split": any(len(one.pieces) > 2 for one in sent),
        "resend": any(one.is_resend for one in sent),
    }
    assert shows[oddity]
