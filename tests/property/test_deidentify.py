"""De-identified messages: nothing that named someone is left, and what is left is a message still."""

from __future__ import annotations

from datetime import date

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.deidentify import Deidentified, Unclear, deidentify
from daemon.hl7listener.text.header import Header, parse_header
from tests.support.corpus import corpus

SECRET = b"a secret of the site, for tests only"
WORD = (
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'- ", min_size=3, max_size=16)
    .map(str.strip)
    .filter(lambda word: len(word) >= 3)
)
NUMBER = st.text("0123456789", min_size=5, max_size=12)
BORN = st.dates().map(lambda day: f"{day.year:04d}{day.month:02d}{day.day:02d}")


@st.composite
def patients(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Make a message about someone, and the values that name them."""
    number, visit, order = draw(NUMBER), draw(NUMBER), draw(NUMBER)
    family, given_name, street, city = draw(WORD), draw(WORD), draw(WORD), draw(WORD)
    kin, phone, ssn, note, born = draw(WORD), draw(NUMBER), draw(NUMBER), draw(WORD), draw(BORN)
    leak = draw(st.sampled_from([family, number, street, phone]))
    lines = [
        "MSH|^~\\&|LAB|HOSP|EHR|HOSP|20240102030405+0100||ORU^R01^ORU_R01|MSG1|P|2.5.1",
        f"PID|1||{number}^^^HOSP^MR||{family}^{given_name}^Q||{born}|F|||{street}^^{city}^NY^10001^USA||{phone}|||S||{visit}|{ssn}",
        f"NK1|1|{kin}^{given_name}|MTH|{street}^^{city}|{phone}",
        f"PV1|1|I|ICU^1^2||||77^{kin}^DOC|||||||||||{visit}",
        f"ORC|RE|{order}|F{order}",
        f"OBR|1|{order}|F{order}|GLU^Glucose^L|||20240102030400",
        f"OBX|1|ST|NOTE^Note^L||seen with {leak} at home||||||F",
        "OBX|2|NM|GLU^Glucose^L||5.4|mmol/L|||||F",
        f"NTE|1|L|{note} {leak} {family}",
        f"ZPI|1|{family}|{ssn}",
    ]
    named = [number, visit, order, family, given_name, street, city, kin, phone, ssn, born, note]
    return "".join(f"{line}\r" for line in lines).encode(), [value for value in named if len(value) >= 3]


def clean(data: bytes, secret: bytes = SECRET) -> str:
    result = deidentify(data, secret)
    assert isinstance(result, Deidentified)
    return result.data.decode()


KEPT = "MSH|^~\\& LAB HOSP EHR ORU^R01^ORU_R01 PID NK1 PV1 ORC OBR OBX NTE GLU Glucose Note mmol MTH ICU USA".casefold()


@given(patients())
def test_no_value_that_named_someone_is_left(patient: tuple[bytes, list[str]]) -> None:
    data, named = patient
    result = clean(data).casefold()
    for value in named:
        if value.casefold() not in KEPT and "removed" not in value.casefold():
            assert value.casefold() not in result.replace("removed", ""), "a value is left"


@given(patients())
def test_what_is_left_is_read_by_others(patient: tuple[bytes, list[str]]) -> None:
    message = hl7.parse(clean(patient[0]))
    assert str(message.segment("MSH")[9]) == "ORU^R01^ORU_R01"
    assert str(message.segment("MSH")[11]) == "T"
    assert [str(one[1]) for one in message.segments("OBX")] == ["1", "2"]
    assert str(message.segments("OBX")[1][5]) in ("5.4", "")


@given(patients())
def test_it_is_the_same_each_time_and_another_under_another_secret(patient: tuple[bytes, list[str]]) -> None:
    data, _ = patient
    assert clean(data) == clean(data)
    assert clean(data).split("\r")[1] != clean(data, b"another secret, longer than sixteen").split("\r")[1]


def field(text: str, segment: str, number: int) -> str:
    line = next(line for line in text.split("\r") if line.startswith(segment))
    return line.split("|")[number]


ADMIT = (
    b"MSH|^~\\&|HIS|HOSP|EHR|HOSP|20240301101500||ADT^A01|A1|P|2.5\r"
    b"PID|1||884422^^^HOSP^MR||Quimby^Aldous||19610203|M\r"
    b"PV1|1|I|ICU^1^2" + b"|" * 16 + b"V99871" + b"|" * 25 + b"20240301101000\r"
)
DISCHARGE = (
    b"MSH|^~\\&|HIS|HOSP|EHR|HOSP|20240309111500||ADT^A03|A2|P|2.5\r"
    b"PID|1||884422^^^HOSP^MR||QUIMBY^ALDOUS||19610203|M\r"
    b"PV1|1|I|ICU^1^2" + b"|" * 16 + b"V99871" + b"|" * 25 + b"20240301101000|20240309111000\r"
)


def test_messages_about_one_patient_stay_together() -> None:
    first, second = clean(ADMIT), clean(DISCHARGE)
    for segment, number in (("PID", 3), ("PID", 5), ("PID", 7), ("PV1", 19), ("PV1", 44)):
        assert field(first, segment, number) == field(second, segment, number) != ""
    assert field(first, "PID", 3) != "884422^^^HOSP^MR"
    assert field(first, "PID", 3).endswith("^^^HOSP^MR")


def test_times_of_one_patient_keep_their_distance() -> None:
    first, second = clean(ADMIT), clean(DISCHARGE)
    moved = {field(first, "PV1", 44)[8:], field(second, "PV1", 45)[8:]}
    assert moved == {"101000", "111000"}

    stay = date.fromisoformat(field(second, "PV1", 45)[:8]) - date.fromisoformat(field(second, "PV1", 44)[:8])
    assert stay.days == 8
    assert "20240301" not in first
    assert "20240309" not in second


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("OBX|1|NM|GLU^Glucose^L||5.4|mmol/L|3-6|N|||F", "OBX|1|NM|GLU^Glucose^L||5.4|mmol/L|3-6|N|||F"),
        ("OBX|1|SN|GLU^Glucose^L||>^100", "OBX|1|SN|GLU^Glucose^L||>^100"),
        ("OBX|1|TX|RPT^Report^L||a long story", "OBX|1|TX|RPT^Report^L||REMOVED"),
        ("OBX|1|ED|PDF^^L||^application^pdf^Base64^JVBERi0=", "OBX|1|ED|PDF^^L||REMOVED"),
        ("OBX|1|CE|ORG^^L||112283007^E. coli^SCT", "OBX|1|CE|ORG^^L||112283007^E. coli^SCT"),
        ("OBX|1|CE|ORG^^L||^said by the neighbour", "OBX|1|CE|ORG^^L"),
        ("OBX|1|ST|N^^L||<0.05", "OBX|1|ST|N^^L||<0.05"),
        ("NTE|1|L|call her sister", "NTE|1|L|REMOVED"),
        ('PID|1||""', 'PID|1||""'),
    ],
)
def test_each_kind_of_value_gets_what_it_needs(line: str, expected: str) -> None:
    assert clean(f"MSH|^~\\&|A|B|C|D|20240301||ORU^R01|1|P|2.5\r{line}\r".encode()).split("\r")[1] == expected


@pytest.mark.parametrize("segment", ["ZZZ", "XYZ", "OBY"])
def test_a_segment_nobody_knows_is_left_out(segment: str) -> None:
    assert segment not in clean(f"MSH|^~\\&|A|B|C|D|20240301||ORU^R01|1|P|2.5\r{segment}|someone\r".encode())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Unclear.NO_HEADER),
        (b"PID|1||5\r", Unclear.NO_HEADER),
        (b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|1||\xff\xfe\r", Unclear.CHARSET),
    ],
)
def test_what_cannot_be_read_with_certainty_is_left_alone(data: bytes, why: Unclear) -> None:
    assert deidentify(data, SECRET) is why


@given(st.binary(max_size=400))
def test_nothing_makes_it_fail(data: bytes) -> None:
    deidentify(b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\r" + data, SECRET)


def test_other_delimiters_are_kept() -> None:
    text = clean(b"MSH#@*!%#A#B#C#D#20240301##ADT@A01#1#P#2.5\rPID#1##55@@@H@MR##Doe@Jane\r")
    assert text.startswith("MSH#@*!%#A#B#C#D#")
    assert text.split("\r")[1].split("#")[3].endswith("@@@H@MR")
    assert "Doe" not in text


def test_the_sample_messages_lose_every_name() -> None:
    checked = 0
    for data in corpus().values():
        result = deidentify(data, SECRET)
        if isinstance(result, Unclear):
            continue
        header = parse_header(result.data)
        assert isinstance(header, Header)
        checked += 1
        text = result.data.decode("latin-1").casefold()
        for line in data.replace(b"\n", b"\r").split(b"\r"):
            if line.startswith(b"PID|"):
                fields = [*line.decode("latin-1").split("|"), *[""] * 20]
                for value in (fields[19], fields[5].split("^")[0]):
                    if len(value) >= 4 and value.isalnum():
                        assert value.casefold() not in text, "a name is left"
    assert checked > 500
