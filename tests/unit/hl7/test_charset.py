"""From MSH-18 to text: every row of the table, the chain where nothing is declared, and that nothing is ever replaced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.hl7listener.text.charset import CharsetSource, Decoded, Undecodable, codec_name, decode
from daemon.hl7listener.text.content import Content
from daemon.hl7listener.text.header import BOM, Header, parse_header
from daemon.hl7listener.text.message import Message
from daemon.hl7listener.text.path import parse_path
from tests.support.builders import MARKER

DELIMITERS = b"|^~\\&"


def message(declared: str, name: bytes) -> bytes:
    """Write a message that declares a character set, with a name in it."""
    msh = f"MSH|^~\\&|APP|FAC|||20261122||ADT^A01|ID|P|2.5||||||{declared}\r".encode()
    return msh + b"PID|1||P1||" + name + b"|after\r"


def read(data: bytes, default: str = "cp1252", **how: bool) -> Decoded | Undecodable:
    header = parse_header(data)
    assert isinstance(header, Header)
    return decode(data, header, Content(default, **how))  # type: ignore[arg-type]


def decoded(data: bytes, default: str = "cp1252", **how: bool) -> Decoded:
    found = read(data, default, **how)
    assert isinstance(found, Decoded)
    return found


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
    segments = Message(found.text, header.delimiters)
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
        ("8859-1", "iso8859-1"),
        ("ISO8859/15", "iso8859-15"),
        ("ISO_IR 100", "iso8859-1"),
        ("ISO_IR 192", "utf-8"),
        ("UNICODE_UTF-8", "utf-8"),
        ("windows-1252", "cp1252"),
        ("Shift-JIS", "shift_jis"),
    ],
)
def test_spellings_senders_use_are_understood(declared: str, codec: str) -> None:
    found = read(message(declared, "\N{MULTIPLICATION SIGN}".encode(codec)))
    assert isinstance(found, Decoded)
    assert (found.codec, found.source) == (codec, CharsetSource.DECLARED)


@pytest.mark.parametrize("declared", ["CNS 11643-1992", "UNICODE UTF-16", "UNICODE UTF-32", "UTF-16", "utf-32"])
def test_character_sets_that_cannot_be_read_are_refused_whatever_the_bytes(declared: str) -> None:
    assert read(message(declared, b"plain")) == Undecodable(is_unsupported=True)
    assert read(message(declared, b"plain"), keeps_damaged=True) == Undecodable(is_unsupported=True)


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


# -- several character sets in one message --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "codec", "name", "text"),
    [
        ("~ISO IR87", "iso2022_jp", b"Yamada^" + "山田".encode("iso2022_jp"), "Yamada^山田"),
        ("ASCII~ISO IR87", "iso2022_jp", "山田".encode("iso2022_jp"), "山田"),
        ("ISO IR6~ISO IR159", "iso2022_jp_1", "丂".encode("iso2022_jp_1"), "丂"),
        ("8859/1~ISO IR87", "iso8859-1", b"\xc4^" + "山田".encode("iso2022_jp"), "Ä^山田"),
        ("8859/1~8859/7", "iso8859-1", b"\xc4\x1b-F\xd9\x1b(B\xe4", "ÄΩä"),
        ("ASCII~KS X 1001", "euc_kr", b"Hong^\x1b$)C\xc8\xab\xb1\xe6\xb5\xbf", "Hong^홍길동"),
        ("ISO IR87", "iso2022_jp", b"\x1b(Ja\\b~c\x1b(B", "a\\b~c"),
    ],
)
def test_further_repetitions_let_esc_switch_the_character_set(
    declared: str, codec: str, name: bytes, text: str
) -> None:
    found = decoded(message(declared, name))
    assert (found.codec, found.source) == (codec, CharsetSource.DECLARED)
    assert f"|{text}|" in found.text


@pytest.mark.parametrize("name", [b"\x1b$(Z12", b"\x1b", b"\x1b$B;", b"\x1b$B\xff\xff"])
def test_a_switch_nobody_knows_and_half_a_character_are_damage(name: bytes) -> None:
    data = message("~ISO IR87", name)
    assert read(data) == Undecodable()
    kept = decoded(data, keeps_damaged=True)
    assert kept.source is CharsetSource.DAMAGED
    assert kept.damaged_bytes


def test_without_esc_further_repetitions_change_nothing() -> None:
    assert decoded(message("~ISO IR87", b"plain")).codec == "ascii"
    assert decoded(message("~ISO IR87", "Ärzte".encode())).source is CharsetSource.ASSUMED_UTF8


def test_a_feed_may_have_a_seven_bit_default() -> None:
    found = decoded(message("", "山田".encode("iso2022_jp")), "iso2022_jp")
    assert (found.codec, found.source) == ("iso2022_jp", CharsetSource.FEED_DEFAULT)
    assert "|山田|" in found.text
    assert decoded(message("", b"plain"), "iso2022_jp").codec == "ascii"


@pytest.mark.parametrize(
    ("declared", "wider", "text"), [("ISO IR14", "cp932", "髙①"), ("BIG-5", "cp950", "€"), ("KS X 1001", "cp949", "똠")]
)
def test_what_vendors_mean_by_a_name_is_understood(declared: str, wider: str, text: str) -> None:
    found = decoded(message(declared, text.encode(wider)))
    assert (found.codec, found.source) == (wider, CharsetSource.DECLARED)
    assert f"|{text}|" in found.text


# -- what a feed may say --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["8859/1", "UNICODE UTF-8", "BIG-5", "", "X", "UNICODE UTF-16", "CNS 11643-1992"])
def test_a_forced_character_set_counts_whatever_is_declared(declared: str) -> None:
    found = decoded(message(declared, "Łódź".encode("cp1250")), "cp1250", is_forced=True)
    assert (found.codec, found.source) == ("cp1250", CharsetSource.FEED_FORCED)
    assert "|Łódź|" in found.text


def test_bytes_that_are_not_in_a_forced_character_set_are_refused() -> None:
    assert read(message("8859/1", b"\xe4"), "utf-8", is_forced=True) == Undecodable()
    found = decoded(message("8859/1", b"\xe4"), "utf-8", is_forced=True, keeps_damaged=True)
    assert (found.source, found.damaged_bytes) == (CharsetSource.DAMAGED, 1)


@pytest.mark.parametrize(
    ("declared", "name", "shown", "count"),
    [
        ("UNICODE UTF-8", b"\xe4rzte", "\\XE4\\rzte", 1),
        ("UNICODE UTF-8", b"\xed\xa0\x80", "\\XED\\\\XA0\\\\X80\\", 3),
        ("KS X 1001", b"a\xff\xffb", "a\\XFF\\\\XFF\\b", 2),
        ("BIG-5", b"\xff", "\\XFF\\", 1),
        ("8859/3", b"\xa5", "\\XA5\\", 1),
        ("", b"\x81\xe4", "\\X81\\ä", 1),
    ],
)
def test_a_feed_may_keep_what_is_damaged_and_each_byte_of_it_is_shown(
    declared: str, name: bytes, shown: str, count: int
) -> None:
    found = decoded(message(declared, name), keeps_damaged=True)
    assert (found.source, found.damaged_bytes) == (CharsetSource.DAMAGED, count)
    assert f"|{shown}|after" in found.text
    header = parse_header(message(declared, name))
    assert isinstance(header, Header)
    assert Message(found.text, header.delimiters, found.codec).get(parse_path("PID-5")) == shown


def test_damage_is_shown_with_the_escape_character_of_the_message() -> None:
    data = message("8859/3", b"\xa5").replace(b"\\", b"/")
    header = parse_header(data)
    assert isinstance(header, Header)
    assert "/XA5/" in decoded(data, keeps_damaged=True).text


def test_what_is_whole_is_not_called_damaged() -> None:
    found = decoded(message("UNICODE UTF-8", "Ärzte".encode()), keeps_damaged=True)
    assert (found.source, found.damaged_bytes) == (CharsetSource.DECLARED, 0)


def test_much_damage_is_shown_in_linear_time() -> None:
    found = decoded(message("UNICODE UTF-8", b"\xff" * 500_000), keeps_damaged=True)
    assert found.damaged_bytes == 500_000


@given(
    st.sampled_from([name for name, _, _ in TABLE] + ["", "ASCII", "X", "~ISO IR87", "8859/1~8859/7"]),
    st.binary(max_size=60),
)
def test_whatever_is_kept_is_text_without_surrogates_and_replacements(declared: str, name: bytes) -> None:
    data = message(declared, name.translate(None, b"\r\n"))
    found = decoded(data, keeps_damaged=True)
    assert not any("\ud800" <= character <= "\udfff" for character in found.text)
    assert found.text.count("\ufffd") == 0 or found.codec in ("utf-8", "gb18030")  # where it can be sent as such
    strict = read(data)
    assert (found == strict) is (found.source is not CharsetSource.DAMAGED)


# -- whether bytes may be cut before they are decoded ------------------------------------------------------------------------


@given(
    st.sampled_from([(name, codec) for name, codec, _ in TABLE]),
    st.lists(
        st.text(
            st.characters(min_codepoint=0xA1, max_codepoint=0xFFDC, exclude_categories=["Cs", "Co", "Cn"]), max_size=8
        ),
        max_size=4,
    ),
)
def test_text_of_every_character_set_comes_back_field_by_field(row: tuple[str, str], texts: list[str]) -> None:
    declared, codec = row
    words = []
    for text in texts:
        kept = "".join(character for character in text if _fits(character, codec))
        words.append(kept)
    data = message(declared, "~".join(words).encode(codec))
    found, header = decoded(data), parse_header(data)
    assert isinstance(header, Header)
    taken = Message(found.text, header.delimiters, found.codec)
    assert [taken.get(parse_path(f"PID-5[{place}].1.1")) for place in range(1, len(words) + 1)] == [
        word or None for word in words
    ]
    assert taken.get(parse_path("PID-6")) == "after"


def _fits(character: str, codec: str) -> bool:
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return False
    read_back = encoded.decode(codec) == character
    return read_back and not any(mark in encoded for mark in (b"\r", b"\n"))


# -- the default of a feed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cp1252", "iso8859-1", "utf-8", "latin-1", "cp437", "gb18030", "shift_jis", "ascii"])
def test_a_codec_that_keeps_ascii_can_be_a_default(name: str) -> None:
    assert codec_name(name)


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
    assert codec_name(name) is None


def test_decoded_text_is_not_shown() -> None:
    assert MARKER not in repr(read(message("8859/1", MARKER.encode())))
