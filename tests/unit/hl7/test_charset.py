"""From MSH-18 to text: every row of the table, the chain where nothing is declared, and that nothing is ever replaced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.charset import CharsetSource, Decoded, Undecodable, decode, is_known_codec
from daemon.hl7listener.header import BOM, Header, parse_header
from daemon.hl7listener.path import Segments, parse_path
from tests.support.builders import MARKER

DELIMITERS = b"|^~\\&"


def message(declared: str, name: bytes) -> bytes:
    """Write a message that declares a character set, with a name in it."""
    msh = f"MSH|^~\\&|APP|FAC|||20261122||ADT^A01|ID|P|2.5||||||{declared}\r".encode()
    return msh + b"PID|1||P1||" + name + b"|after\r"


def read(data: bytes, default: str = "cp1252") -> Decoded | Undecodable:
    header = parse_header(data)
    assert isinstance(header, Header)
    return decode(data, header, default)


def carrying(codec: str, byte: int) -> str:
    """Find a character whose encoding has ``byte`` inside."""
    for point in (*range(0x3000, 0xA000), *range(0xA1, 0x3000)):
        character = chr(point)
        try:
            encoded = character.encode(codec)
        except UnicodeEncodeError:
            continue
        inside = encoded[3:-3] if encoded[:1] == b"\x1b" else encoded[1:]
        if byte in inside:
            return character
    message = f"{codec} has no character with {byte:#x} inside"
    raise AssertionError(message)


LATIN = {
    "8859/1": "Ärzte é ß",
    "8859/2": "Łódź č",
    "8859/3": "Ġanni ħ",
    "8859/4": "Ķekava ē",
    "8859/5": "Иван",
    "8859/6": "محمد",
    "8859/7": "Γιώργος",
    "8859/8": "דוד",
    "8859/9": "Şule ğ",
    "8859/15": "Œuvre €",
}
TABLE = [
    *((name, f"iso8859-{name.split('/')[1]}", text) for name, text in LATIN.items()),
    ("UNICODE UTF-8", "utf-8", "Ärzte 漢字 🙂"),
    ("UTF-8", "utf-8", "Ärzte 漢字"),
    ("UNICODE", "utf-8", "Ärzte 漢字"),
    ("ISO IR14", "shift_jis", "ﾔﾏﾀﾞ ﾀﾛｳ"),
    ("ISO IR87", "iso2022_jp", "山田太郎"),
    ("ISO IR159", "iso2022_jp_1", "山田太郎"),
    ("JIS X 0202", "iso2022_jp_ext", "山田太郎"),
    ("JAS2020", "iso2022_jp_ext", "山田太郎"),
    ("GB 18030-2000", "gb18030", "张伟 €"),
    ("KS X 1001", "euc_kr", "홍길동"),
    ("BIG-5", "big5", "陳大文"),
]


@pytest.mark.parametrize(("declared", "codec", "text"), TABLE)
def test_each_declared_character_set_is_read_with_its_codec(declared: str, codec: str, text: str) -> None:
    found = read(message(declared, text.encode(codec)))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == (codec, CharsetSource.DECLARED)
    assert f"|{text}|after" in found.text


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("ISO IR14", "shift_jis"),
        ("ISO IR87", "iso2022_jp"),
        ("ISO IR159", "iso2022_jp_1"),
        ("JIS X 0202", "iso2022_jp_ext"),
        ("GB 18030-2000", "gb18030"),
        ("BIG-5", "big5"),
    ],
)
def test_delimiter_bytes_inside_characters_do_not_delimit(declared: str, codec: str) -> None:
    marks = DELIMITERS if codec.startswith("iso2022") else DELIMITERS.replace(b"&", b"")
    name = "".join(carrying(codec, mark) for mark in marks)
    data = message(declared, name.encode(codec))
    header, found = parse_header(data), read(data)
    assert isinstance(header, Header)
    assert isinstance(found, Decoded)
    segments = Segments(found.text, header.delimiters)
    assert segments.get(parse_path("PID-5.1.1")) == name
    assert segments.get(parse_path("PID-6")) == "after"


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("8859", "iso8859-1"),
        ("   8859/1", "iso8859-1"),
        ("ISO-8859-1", "iso8859-1"),
        ("iso-8859-15", "iso8859-15"),
        ("UTF-8^ISO-8859-1", "utf-8"),
        ("unicode utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        ("GB18030", "gb18030"),
        ("BIG5", "big5"),
        ("SHIFT_JIS", "shift_jis"),
        ("8859/1~ISO IR87", "iso8859-1"),
    ],
)
def test_spellings_senders_use_are_understood(declared: str, codec: str) -> None:
    found = read(message(declared, "\N{MULTIPLICATION SIGN}".encode(codec)))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == (codec, CharsetSource.DECLARED)


@pytest.mark.parametrize("declared", ["CNS 11643-1992", "UNICODE UTF-16", "UNICODE UTF-32", "UTF-16", "utf-32"])
def test_character_sets_that_cannot_be_read_are_refused_whatever_the_bytes(declared: str) -> None:
    assert read(message(declared, b"plain")) == Undecodable()


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("UNICODE UTF-8", b"\xe4rzte"),
        ("UNICODE UTF-8", b"\xed\xa0\x80"),
        ("UNICODE UTF-8", b"\xc0\xaf"),
        ("8859/7", b"\xff"),
        ("8859/3", b"\xa5"),
        ("KS X 1001", b"\xff\xff"),
        ("BIG-5", b"\xff"),
        ("GB 18030-2000", b"\xff"),
        ("ISO IR14", b"\x80"),
        ("ISO IR87", b"\x1b$B\x80\x80\x1b(B"),
        ("ISO IR87", b"\xe4"),
    ],
)
def test_a_wrong_declaration_is_refused_and_never_guessed_around(declared: str, name: bytes) -> None:
    assert read(message(declared, name)) == Undecodable()


# -- where nothing is declared -------------------------------------------------------------------------------------------


def test_plain_ascii_needs_no_declaration() -> None:
    found = read(message("", b"NAME"))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == ("ascii", CharsetSource.ASCII)


@pytest.mark.parametrize("declared", ["ASCII", "ISO IR6", "ascii", "8859/1", "UNICODE UTF-8", "BIG-5", "X-UNKNOWN"])
def test_plain_ascii_is_ascii_whatever_is_declared(declared: str) -> None:
    found = read(message(declared, b"NAME"))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == ("ascii", CharsetSource.DECLARED)


@pytest.mark.parametrize("declared", ["", "ASCII", "ISO IR6", "X-UNKNOWN", "^", "~8859/1"])
def test_undeclared_text_is_read_as_utf_8_first(declared: str) -> None:
    found = read(message(declared, "Ärzte".encode()))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == ("utf-8", CharsetSource.ASSUMED_UTF8)
    assert "|Ärzte|" in found.text


@pytest.mark.parametrize("declared", ["", "ASCII", "X-UNKNOWN"])
def test_what_is_not_utf_8_is_read_in_the_default_of_the_feed(declared: str) -> None:
    found = read(message(declared, "Ärzte €".encode("cp1252")))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == ("cp1252", CharsetSource.FEED_DEFAULT)
    assert "|Ärzte €|" in found.text


def test_what_is_neither_is_refused() -> None:
    assert read(message("", b"\x81\x8d"), "cp1252") == Undecodable()
    assert read(message("", b"\xe4"), "utf-8") == Undecodable()


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    found = read(BOM + message("UNICODE UTF-8", "Ärzte".encode()))
    assert isinstance(found, Decoded)
    assert found.text.startswith("MSH|")


@given(st.sampled_from([name for name, _, _ in TABLE] + ["", "ASCII", "X"]), st.binary(max_size=40))
def test_what_is_decoded_can_be_encoded_back_and_holds_no_surrogate(declared: str, name: bytes) -> None:
    data = message(declared, name.translate(None, b"\r\n|^~\\&"))
    found = read(data)
    if isinstance(found, Decoded):
        assert not any("\ud800" <= character <= "\udfff" for character in found.text)
        if not found.codec.startswith(
            ("iso2022", "euc_kr", "big5", "shift_jis", "gb18030")
        ):  # several spellings of one text
            assert found.text.encode(found.codec) == data.removeprefix(BOM)


# -- the default of a feed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cp1252", "iso8859-1", "utf-8", "latin-1", "cp437", "gb18030", "shift_jis", "ascii"])
def test_a_codec_that_keeps_ascii_can_be_a_default(name: str) -> None:
    assert is_known_codec(name)


@pytest.mark.parametrize(
    "name",
    [
        "no-such-codec",
        "",
        "utf-16",
        "utf-16-le",
        "utf-7",
        "cp037",
        "hz",
        "punycode",
        "idna",
        "unicode_escape",
        "raw_unicode_escape",
        "rot13",
        "base64",
        "undefined",
        "a\x00b",
    ],
)
def test_a_codec_that_alters_ascii_or_is_none_cannot(name: str) -> None:
    assert not is_known_codec(name)


def test_decoded_text_is_not_shown() -> None:
    assert MARKER not in repr(read(message("8859/1", MARKER.encode())))
