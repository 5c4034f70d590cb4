"""The pure parts of the spool: when a disk is left alone, how long its room lasts, what lies where, what is searched by."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.spool.facts import (
    MOST_PATIENTS,
    code_of,
    cut_at_segments,
    facts_of,
    patients_in,
    patients_of,
    term_of,
)
from daemon.hl7listener.spool.mounts import Mount, find_mount
from daemon.hl7listener.spool.outage import DOWN_S, WITHIN_S, Outages
from daemon.hl7listener.spool.place import AtRest, Place, doubt_about
from daemon.hl7listener.spool.query import State, state_of
from daemon.hl7listener.spool.room import LEAST_SPAN_S, Outlook
from daemon.hl7listener.spool.turns import BUSY_PER_S, LAG_MOST_S, Turns
from daemon.public import Public

# -- turns of the search index -----------------------------------------------------------------------------------------


def test_the_search_index_stands_still_in_a_burst_and_goes_on_behind_it() -> None:
    turns = Turns(100.0, 0)
    assert turns.may_go_on(101.0, BUSY_PER_S)
    assert not turns.may_go_on(102.0, 2 * BUSY_PER_S + 1)
    assert not turns.may_go_on(102.5, 3 * BUSY_PER_S)
    assert turns.may_go_on(103.0, 3 * BUSY_PER_S)


def test_in_a_burst_without_end_the_search_index_goes_on_after_a_while_until_it_is_level() -> None:
    turns = Turns(0.0, 0)
    arrived = itertools.count(0, 10 * BUSY_PER_S)
    seconds = itertools.count()
    may = [turns.may_go_on(next(seconds), next(arrived)) for _ in range(round(LAG_MOST_S) + 10)]
    assert may == [True] + [False] * (round(LAG_MOST_S) - 1) + [True] * 10
    now_s = next(seconds)
    turns.is_level(now_s)
    assert not turns.may_go_on(now_s + 1, next(arrived))


# -- a disk that fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed_at_s", "down_s"),
    [
        ([], 0),
        ([0.0, 1.0], 0),
        ([0.0, 1.0, 2.0], DOWN_S - 8),
        ([0.0, 1.0, WITHIN_S + 1], 0),
        ([0.0, WITHIN_S, WITHIN_S + 1, WITHIN_S + 2], DOWN_S - 8),
    ],
)
def test_a_disk_is_left_alone_after_three_failures_within_ten_minutes(failed_at_s: list[float], down_s: float) -> None:
    outages = Outages()
    for at_s in failed_at_s:
        outages.add(at_s)
    now_s = max(failed_at_s, default=0) + 8
    assert outages.down_for_s(now_s) == down_s
    assert outages.down_for_s(now_s + DOWN_S) == 0
    outages.forget()
    assert outages.down_for_s(now_s) == 0
    assert outages.total == len(failed_at_s)


# -- room --------------------------------------------------------------------------------------------------------------


def test_little_room_is_told_once_and_so_is_enough_of_it_with_a_margin() -> None:
    outlook = Outlook(800)
    told = [outlook.add(float(at), free) for at, free in enumerate((900, 800, 799, 700, 800, 899, 900, 1000))]
    assert told == [False, False, True, False, False, False, True, False]


@pytest.mark.parametrize(
    ("samples", "lasts_s"),
    [
        ([], math.inf),
        ([(0, 100)], math.inf),
        ([(0, 1000), (LEAST_SPAN_S - 1, 10)], math.inf),
        ([(0, 1000), (1000, 1000)], math.inf),
        ([(0, 1000), (1000, 2000)], math.inf),
        ([(0, 1000), (500, 200), (1000, 500)], 1000),
        ([(0, 1000), (400, 0)], 0),
    ],
)
def test_how_long_the_room_lasts_is_told_from_how_fast_it_went(
    samples: list[tuple[float, int]], lasts_s: float
) -> None:
    outlook = Outlook(0)
    for at_s, free in samples:
        outlook.add(at_s, free)
    assert outlook.lasts_s() == lasts_s


# -- places ------------------------------------------------------------------------------------------------------------

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
25 22 0:24 / /var/lib rw - nfs4 server:/lib rw
26 25 253:1 / /var/lib/my\\040state rw shared:2 master:1 - xfs /dev/mapper/state rw
27 22 0:30 / /var/lib rw - tmpfs none rw
nonsense
28 - x
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/", Mount("/", "ext4", "/dev/vda")),
        ("/home/one", Mount("/", "ext4", "/dev/vda")),
        ("/var/library", Mount("/", "ext4", "/dev/vda")),
        ("/var/lib", Mount("/var/lib", "tmpfs", "none")),
        ("/var/lib/my state/carillon", Mount("/var/lib/my state", "xfs", "/dev/mapper/state")),
    ],
)
def test_a_path_lies_on_the_last_and_longest_mount_above_it(path: str, mount: Mount) -> None:
    assert find_mount(MOUNTS, path) == mount


def test_without_mounts_nothing_is_known() -> None:
    assert find_mount("", "/var") is None


@pytest.mark.parametrize(
    ("place", "word"),
    [
        (Place(Public("ext4"), 0.001, AtRest.LUKS), ""),
        (Place(Public(""), 0.1, AtRest.UNKNOWN), ""),
        (Place(Public("tmpfs"), 0.001, AtRest.UNKNOWN), "gone with the machine"),
        (Place(Public("overlay"), 0.001, AtRest.UNKNOWN), "the container"),
        (Place(Public("ext4"), 0.2, AtRest.PLAIN), "200 ms"),
        (Place(Public("ext4"), 5e-6, AtRest.PLAIN), "5 us"),
    ],
)
def test_a_doubtful_place_is_named(place: Place, word: str) -> None:
    assert word in doubt_about(place)
    assert bool(word) == bool(doubt_about(place))


# -- what is searched by -----------------------------------------------------------------------------------------------

HEADER = b"MSH|^~\\&|APP^1.2^ISO|FAC|||2026||ADT^A01|C1|P|2.5.1|\r"


def test_the_header_of_a_message_is_told_as_text() -> None:
    facts = facts_of(HEADER.replace(b"FAC", "Zürich".encode()).replace(b"C1", b"\xfc1"))
    assert facts == ("ADT", "A01", "ü1", "APP", "Zürich", "2.5.1")
    assert "APP" not in repr(facts)
    assert facts_of(b"no header") == ("",) * 6


@pytest.mark.parametrize(
    ("ack", "code"),
    [
        (b"\x0bMSH|^~\\&|\rMSA|AA|C1\r\x1c\r", "AA"),
        (b"\x0bMSH*^~\\&*\rMSA*CE*C1\r\x1c\r", "CE"),
        (b"BHS|\rMSH|\rMSA|AE|1\rMSH|\rMSA|AA|1\r", "AE"),
        (b"\rMSA|", ""),
        (b"\rMSA", ""),
        (b"", ""),
    ],
)
def test_the_code_of_an_answer_is_that_of_its_first_msa(ack: bytes, code: str) -> None:
    assert code_of(ack) == code


@pytest.mark.parametrize(
    ("segments", "patients"),
    [
        (b"PID|1||17^^^H~X8^^^X||DOE\r", [b"17", b"X8"]),
        (b"EVN|A01\rPID|1||17\rPID|2||18\r", [b"17", b"18"]),
        (b"PID|1||17\rPID|2||17\r", [b"17"]),
        (b"PID|1||~^x~ 5 \r", [b"5"]),
        (b"PID|1\rZPID|1||9\r", []),
        (b"\nPID|1||17\nPV1|1\n", [b"17"]),
        (b"\nPID|1||17\nPID|2||18\n", [b"17", b"18"]),
        (b"PID|1||17", [b"17"]),
        (b"PID|1||" + b"~".join(b"%d" % number for number in range(99)), [b"%d" % number for number in range(16)]),
    ],
)
def test_patients_are_the_first_components_of_all_repetitions_of_pid_3(segments: bytes, patients: list[bytes]) -> None:
    assert patients_of(HEADER + segments) == patients


@given(st.binary(max_size=200))
def test_no_bytes_hinder_the_search(tail: bytes) -> None:
    data = HEADER + b"PID|1||" + tail
    assert len(patients_of(data)) <= MOST_PATIENTS
    assert code_of(tail) in ("", code_of(tail).strip())
    facts_of(tail)


@given(
    st.lists(st.sampled_from([b"PID|1||17", b"PID|2||18~19^^X", b"PV1|1", b"ZPID|1||9", b""]), max_size=9), st.data()
)
def test_a_message_in_pieces_has_the_patients_it_has_as_a_whole(segments: list[bytes], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from([b"\r", b"\n", b"\r\n"]))
    whole = HEADER + end + end.join(segments)
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    parts = [whole[start:stop] for start, stop in itertools.pairwise([0, *places, len(whole)])]
    assert b"".join(cut_at_segments(parts, len(whole))) == whole
    assert patients_in(cut_at_segments(parts, len(HEADER) + 20)) == patients_of(whole)


def test_of_a_segment_that_is_too_long_for_a_piece_its_front_counts() -> None:
    parts = [HEADER + b"PID|1||17^", *[b"x" * 100] * 9, b"|\rPID|2||18"]
    pieces = list(cut_at_segments(parts, 50))
    assert max(map(len, pieces)) < 250
    assert patients_in(pieces) == [b"17", b"18"]


def test_terms_depend_on_the_secret_and_the_kind() -> None:
    terms = {
        term_of(secret, kind, value)
        for secret in (b"a" * 32, b"b" * 32)
        for kind in ("patient", "control")
        for value in (b"1", b"2")
    }
    assert len(terms) == 8


@pytest.mark.parametrize(
    ("disposition", "seq", "cursor", "parked", "state"),
    [
        (1, 5, 4, None, State.WAITING),
        (1, 5, 5, None, State.ENQUEUED),
        (1, 5, 9, "why", State.PARKED),
        (2, 5, 9, None, State.PARKED),
        (3, 5, 0, None, State.QUARANTINED),
        (4, 5, 0, None, State.FILTERED),
    ],
)
def test_where_a_message_stands(disposition: int, seq: int, cursor: int, parked: str | None, state: State) -> None:
    assert state_of(disposition, seq, cursor, parked) is state
