"""The simulated hospital: sound messages that fit together, the same ones for the same seed."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.hl7listener.text.header import Header, parse_header
from daemon.sender.hospital.people import LOCAL
from daemon.sender.hospital.shape import (
    CODECS,
    KINDS,
    Shape,
    ShapeInvalid,
    charsets_of,
    kinds_of,
    versions_of,
    wards_for,
)
from daemon.sender.simulate import Hospital

START = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Shape(kinds=KINDS)
Fields = dict[str, list[str]]


def days(seed: int, length: int, shape: Shape = ALL) -> list[bytes]:
    clock = (START + number * timedelta(minutes=1) for number in count())
    return list(islice(Hospital(seed, shape).messages(clock), length))


def read(message: bytes, codec: str = "ascii") -> tuple[str, list[list[str]]]:
    """Cut a message into type^event and its segments, without the code under test."""
    lines = [line.split("|") for line in message.decode(codec).rstrip("\r").split("\r")]
    return "^".join(lines[0][8].split("^")[:2]), lines


def first(lines: list[list[str]], name: str) -> list[str]:
    return next(line for line in lines if line[0] == name)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    shape = Shape(kinds=KINDS, versions=("2.3", "2.5.1", "2.8"), charsets=("UNICODE UTF-8", "8859/1"))
    assert days(7, 2000, shape) == days(7, 2000, shape)
    assert days(7, 200, shape) != days(8, 200, shape)


def test_everything_that_can_happen_happens() -> None:
    kinds = Counter(read(message)[0] for message in days(1, 6000))
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= 10


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    beds=st.integers(2, 300),
    version=st.sampled_from(("2.1", "2.3", "2.3.1", "2.5.1", "2.9")),
    charset=st.sampled_from(sorted(CODECS)),
    kinds=st.sets(st.sampled_from(sorted(KINDS)), min_size=1),
)
def test_every_message_parses_and_is_in_its_character_set(
    seed: int, beds: int, version: str, charset: str, kinds: set[str]
) -> None:
    shape = Shape(wards_for(str(beds)), frozenset(kinds), (version,), (charset,))
    ids = set()
    for message in days(seed, 60, shape):
        header = parse_header(message)
        assert isinstance(header, Header)
        assert (header.raw(11), header.raw(12), header.raw(18)) == (b"T", version.encode(), charset.encode())
        text = message.decode(CODECS[charset])
        parsed = hl7.parse(text)
        ids.add(str(parsed.segment("MSH")[10]))
        told = str(parsed.segment("MSH")[9]).split("^")
        assert "^".join(told[:2]).replace("A34", "A40").replace("RDE^O01", "RDE^O11") in kinds
        assert len(told) == (2 if version in ("2.1", "2.3") else 3)
        assert str(parsed.segment("PID")[3]).endswith("^^^SIM^MR")
    assert len(ids) == 60


@pytest.mark.parametrize("charset", sorted(LOCAL))
def test_names_use_the_letters_of_the_character_set(charset: str) -> None:
    text = b"".join(days(3, 200, Shape(charsets=(charset,)))).decode(CODECS[charset])
    assert any(word in text for word in LOCAL[charset])
    assert not text.isascii()


# -- what fits together ------------------------------------------------------------------------------------------------


class Follower:
    """Keeps track of a hospital by its messages alone, and holds each against what is known."""

    def __init__(self) -> None:
        self.beds: dict[str, str] = {}
        self.visits: dict[str, tuple[str, str]] = {}
        self.ended: dict[str, str] = {}
        self.gone: set[str] = set()
        self.orders: dict[str, tuple[str, str]] = {}
        self.final: set[str] = set()
        self.appointments: dict[str, str] = {}
        self.seen: Counter[str] = Counter()

    def follow(self, message: bytes) -> None:
        kind, lines = read(message)
        self.seen[kind] += 1
        patient = first(lines, "PID")[3].split("^")[0]
        assert patient not in self.gone, f"{kind}: a number that was merged away"
        visit = [*first(lines, "PV1"), *[""] * 20] if any(line[0] == "PV1" for line in lines) else [""] * 25
        code, event = kind.split("^")
        if code == "ADT":
            self.move(event, patient, visit[19], visit[3], visit[6])
            if event == "A40":
                self.merge(first(lines, "MRG")[1].split("^")[0], patient)
        elif code in ("ORM", "RDE"):
            assert self.visits[visit[19]] == (patient, visit[3])
            if code == "ORM":
                self.orders[first(lines, "ORC")[2]] = (patient, visit[19])
        elif code == "ORU":
            self.report(patient, visit[19], lines)
        else:
            self.schedule(event, patient, first(lines, "SCH"))

    def move(self, event: str, patient: str, visit: str, place: str, before: str) -> None:
        if event in ("A01", "A04"):
            assert visit not in self.visits
            assert patient not in {one for one, _ in self.visits.values()}
            self.arrive(visit, patient, place)
        elif event in ("A02", "A12"):
            assert self.visits[visit] == (patient, before)
            del self.beds[before]
            self.arrive(visit, patient, place)
        elif event in ("A03", "A11"):
            assert self.visits.pop(visit) == (patient, place)
            self.beds.pop(place, None)
            self.ended[visit] = patient
        elif event == "A13":
            assert self.ended.pop(visit) == patient
            self.arrive(visit, patient, place)
        elif event == "A08":
            assert self.visits[visit] == (patient, place)
        elif event in ("A28", "A31"):
            assert patient not in {one for one, _ in self.visits.values()}

    def arrive(self, visit: str, patient: str, place: str) -> None:
        if "^^" in place:
            assert place not in self.beds
            self.beds[place] = patient
        self.visits[visit] = (patient, place)

    def merge(self, old: str, survivor: str) -> None:
        assert old != survivor
        assert old not in {one for one, _ in self.visits.values()}
        assert old not in self.appointments.values()
        self.gone.add(old)

    def report(self, patient: str, visit: str, lines: list[list[str]]) -> None:
        placer, status = first(lines, "OBR")[2], first(lines, "OBR")[25]
        assert self.orders[placer] == (patient, visit)
        assert (placer in self.final) is (status == "C")
        if status == "F":
            self.final.add(placer)
        values = [line for line in lines if line[0] == "OBX" and line[2] == "NM"]
        assert len(values) >= 2
        for line in values:
            low, high = map(float, line[7].split("-"))
            value = float(line[5])
            assert line[8] == ("L" if value < low else "H" if value > high else "N")

    def schedule(self, event: str, patient: str, sch: list[str]) -> None:
        if event == "S12":
            assert sch[1] not in self.appointments
            self.appointments[sch[1]] = patient
        else:
            assert self.appointments[sch[1]] == patient
        if event in ("S15", "S26"):
            del self.appointments[sch[1]]


@pytest.mark.parametrize(("seed", "size"), [(1, "small"), (2, "9"), (3, "medium")])
def test_nothing_happens_to_whom_it_cannot_happen(seed: int, size: str) -> None:
    follower = Follower()
    for message in days(seed, 8000, Shape(wards_for(size), KINDS)):
        follower.follow(message)
    assert set(follower.seen) == KINDS
    assert follower.gone
    assert follower.final


def test_a_part_of_what_happens_fits_together_just_as_well() -> None:
    follower = Follower()
    for message in days(5, 3000, Shape(kinds=kinds_of("ADT"))):
        follower.follow(message)
    assert all(kind.startswith("ADT") for kind in follower.seen)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_hospital_can_tell_of_one_thing_alone(kind: str) -> None:
    assert {read(message)[0] for message in days(4, 100, Shape(kinds=frozenset((kind,))))} == {kind}


def test_reports_are_embedded_now_and_then() -> None:
    found = [
        line[5].split("^")
        for message in days(1, 3000)
        for line in read(message)[1]
        if line[0] == "OBX" and line[2] == "ED"
    ]
    assert found
    assert all(base64.b64decode(parts[4]).startswith(b"%PDF-1.4") for parts in found)


def test_merges_are_told_as_the_version_knows_them() -> None:
    old = {read(message)[0] for message in days(1, 3000, Shape(kinds=frozenset(("ADT^A40",)), versions=("2.3",)))}
    assert old == {"ADT^A34"}


def test_memory_is_bounded_by_the_number_of_beds() -> None:
    hospital = Hospital(1, Shape(wards_for("10"), KINDS))
    for number in range(20_000):
        hospital.next_message(START + timedelta(minutes=number))
    house = hospital._house
    pools = [pool for pool in vars(house).values() if hasattr(pool, "has_room")]
    assert len(pools) >= 9
    assert all(len(pool) <= 64 for pool in pools)


# -- what hospital it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "beds"), [("small", 94), ("medium", 400), ("large", 1500), ("2", 2), ("777", 777)])
def test_a_size_is_a_word_or_a_number_of_beds(size: str, beds: int) -> None:
    wards = wards_for(size)
    assert sum(wards.values()) == beds
    assert max(wards.values()) <= 30


@pytest.mark.parametrize("size", ["", "0", "1", "-5", "huge", "1e3", "99999999"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(ShapeInvalid):
        wards_for(size)


def test_kinds_versions_and_character_sets_are_read_as_people_write_them() -> None:
    assert kinds_of("adt^a01, oru") == {"ADT^A01", "ORU^R01"}
    assert kinds_of("ADT^A34") == {"ADT^A40"}
    assert versions_of("2.3, 2.5.1") == ("2.3", "2.5.1")
    assert charsets_of("utf-8,8859/1,none,gb18030") == ("UNICODE UTF-8", "8859/1", "", "GB 18030-2000")


@pytest.mark.parametrize(
    ("reader", "text"), [(kinds_of, "MFN"), (kinds_of, ""), (versions_of, "3.0"), (charsets_of, "utf-16")]
)
def test_what_is_not_known_is_refused_with_what_there_is(reader: object, text: str) -> None:
    assert callable(reader)
    with pytest.raises(ShapeInvalid, match="there are"):
        reader(text)


def test_hl7apy_reads_the_same_fields() -> None:
    parser = pytest.importorskip("hl7apy.parser")
    for message in days(9, 60, Shape(kinds=KINDS, versions=("2.3", "2.5.1", "2.6"))):
        kind, lines = read(message)
        parsed = parser.parse_message(message.decode("ascii"), find_groups=False)
        assert parsed.msh.msh_10.value == lines[0][9]
        assert parsed.pid.pid_3.value == first(lines, "PID")[3]
        assert parsed.version == lines[0][11]
        assert "^".join(parsed.msh.msh_9.value.split("^")[:2]) == kind
