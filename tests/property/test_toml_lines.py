"""The scanner that finds the lines of keys, against ``tomllib`` and against a renderer that knows where it put them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.settings import toml_lines
from daemon.settings.toml_lines import KEY_PARTS_LIMIT, NESTING_LIMIT, TooDeep, key_lines
from tests.support.toml_documents import Document, documents, key_paths

TOML_LIKE = st.text("[]{}=.,#\"'\\ \t\n\rab1é\ud800\x00", max_size=60)


@settings(max_examples=150)
@given(documents())
def test_every_key_is_found_on_the_line_it_was_written_on(document: Document) -> None:
    assert set(key_paths(tomllib.loads(document.text))) == set(document.lines)
    assert key_lines(document.text) == document.lines


@given(st.text() | TOML_LIKE)
@example('a = "\\')
@example('"""')
@example("['")
@example("a = [{b=[")
@example("]\n}\n,\n=\n.")
def test_no_text_makes_the_scanner_fail_or_stray_from_the_text(text: str) -> None:
    assert _lines_outside(text) == []


@settings(max_examples=100)
@given(documents(), st.data())
def test_what_a_damaged_document_still_says_is_found_where_tomllib_finds_it(
    document: Document, data: st.DataObject
) -> None:
    text = document.text
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 6, len(text))))
        text = text[:start] + data.draw(TOML_LIKE.map(lambda piece: piece[:3])) + text[end:]
    assert _lines_outside(text) == []
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(key_lines(text)) == set(key_paths(tree))


@settings(max_examples=200)
@given(TOML_LIKE)
def test_the_work_grows_no_faster_than_the_text(piece: str) -> None:
    text = piece * 40
    looks = _Looks(text)
    try:
        looks.scan()
    except TooDeep:
        return
    assert looks.count <= 30 * (len(text) + 1)


@pytest.mark.parametrize(
    "text",
    ["a=" + "[" * 100_000, "a=" + "{a=" * 100_000, "a." * 100_000, "[" + "a." * 100_000, "a={" + "'b'." * 100_000],
    ids=lambda text: text[:6],
)
def test_what_is_nested_without_end_is_refused_at_its_beginning(text: str) -> None:
    looks = _Looks(text)
    with pytest.raises(TooDeep) as caught:
        looks.scan()
    assert caught.value.line == 1
    assert looks.count < 1000


@given(st.integers(KEY_PARTS_LIMIT - 2, KEY_PARTS_LIMIT + 2), st.sampled_from(("{}=1", "[{}]", "[[{}]]", "a={{{}=1}}")))
def test_a_key_may_have_sixteen_parts(parts: int, form: str) -> None:
    text = "\n" + form.format(".".join("k" * parts))
    if parts <= KEY_PARTS_LIMIT:
        assert len(key_lines(text)) >= parts
    else:
        with pytest.raises(TooDeep, match="more than 16 parts") as caught:
            key_lines(text)
        assert caught.value.line == 2


@given(st.integers(NESTING_LIMIT - 2, NESTING_LIMIT + 2), st.sampled_from((("[", "]"), ("{a=", "}"))))
def test_brackets_may_be_nested_thirty_two_deep(depth: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    text = f"\n\na = {opening * depth}1{closing * depth}"
    if depth <= NESTING_LIMIT:
        assert set(key_lines(text)) == set(key_paths(tomllib.loads(text)))
    else:
        with pytest.raises(TooDeep, match="nested deeper than 32") as caught:
            key_lines(text)
        assert caught.value.line == 3


class _Looks(toml_lines._Scanner):
    """A scanner that counts how often it looks at a character."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.count = 0

    def _peek(self) -> str:
        self.count += 1
        return super()._peek()


def _lines_outside(text: str) -> list[int]:
    return [line for line in _lines(text) if not 1 <= line <= text.count("\n") + 1]


def _lines(text: str) -> Iterator[int]:
    try:
        yield from key_lines(text).values()
    except TooDeep as error:
        yield error.line
