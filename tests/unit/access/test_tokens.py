"""Tokens and their file: what is written is read back, what is not ours is refused, nothing in it opens doors."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.access.hashing import draw, matches
from daemon.api.access.token import Token, TokensUnreadable, is_name, parts_of, read_tokens, write_tokens
from daemon.api.access.token_file import TokenFile, TokensFailed
from daemon.api.http.caller import Capability, Role
from daemon.desks import NotNow, NotThere
from daemon.public import Public
from tests.support.tokens import add_token

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 @._+-]{0,63}", fullmatch=True).filter(is_name)
TOKENS = st.builds(
    Token,
    id=st.from_regex(r"[a-z2-7]{12}", fullmatch=True),
    name=NAMES.map(Public),
    role=st.sampled_from(Role),
    digest=st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1),
    created_us=st.integers(0, 4_000_000_000_000_000),
    created_by=st.just(Public("root@here")),
    capabilities=st.frozensets(st.sampled_from(Capability)),
    feeds=st.none() | st.frozensets(st.text(st.characters(codec="ascii"), min_size=1)),
    expires_us=st.none() | st.integers(0, 4_000_000_000_000_000),
)


@given(st.lists(TOKENS, max_size=5))
def test_what_is_written_is_read_back(tokens: list[Token]) -> None:
    assert read_tokens(write_tokens(tokens)) == tuple(tokens)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_what_is_no_file_of_tokens_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(TokensUnreadable):
        read_tokens(content)


def test_a_file_of_a_later_version_is_refused() -> None:
    with pytest.raises(TokensUnreadable, match="version"):
        read_tokens(b'{"format": 2, "tokens": []}')


def test_a_drawn_token_matches_its_hash_and_no_other() -> None:
    token_id, text, digest = draw()
    parts = parts_of(text)
    assert parts is not None
    assert parts[0] == token_id
    assert matches(digest, parts[1])
    assert not matches(digest, parts[1][:-1] + ("A" if parts[1][-1] != "A" else "B"))
    assert not matches(None, parts[1])
    assert not matches("$argon2id$broken", parts[1])
    assert parts[1] not in digest


@pytest.mark.parametrize(
    "text",
    ["", "crl_", "crl_aaaaaaaaaaaa_", "crl_AAAAAAAAAAAA_" + "a" * 43, "x" * 10_000, "crl_aaaaaaaaaaaa_" + "a" * 44],
)
def test_texts_that_are_no_tokens_have_no_parts(text: str) -> None:
    assert parts_of(text) is None


def test_the_file_is_its_owners_alone_and_holds_no_secret(tmp_path: Path) -> None:
    text = add_token(tmp_path, "anna")
    path = tmp_path / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    _, _, secret = text.split("_", 2)  # which may itself hold that character
    assert secret not in path.read_text()
    assert [one.name for one in TokenFile(tmp_path).read()] == ["anna"]


def test_one_name_is_one_token(tmp_path: Path) -> None:
    add_token(tmp_path, "anna")
    with pytest.raises(NotNow):
        add_token(tmp_path, "anna")


def test_tokens_are_removed_by_name_or_id(tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        add_token(tmp_path, name)
    file = TokenFile(tmp_path)
    assert file.remove("anna").name == "anna"
    [left] = file.read()
    assert file.remove(left.id) == left
    with pytest.raises(NotThere):
        file.remove("anna")


def test_of_tokens_added_at_once_none_is_lost(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_token(tmp_path, f"t{number}"), range(16)))
    assert len(TokenFile(tmp_path).read()) == 16


def test_a_file_that_others_may_write_lets_nobody_in(tmp_path: Path) -> None:
    add_token(tmp_path, "anna")
    (tmp_path / "tokens.json").chmod(0o666)
    with pytest.raises(TokensFailed, match="others may write"):
        TokenFile(tmp_path).read()


def test_a_link_or_a_fifo_is_no_file_of_tokens(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(write_tokens(()))
    (tmp_path / "tokens.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TokensFailed):
        TokenFile(tmp_path).read()
    (tmp_path / "tokens.json").unlink()
    os.mkfifo(tmp_path / "tokens.json", 0o600)
    with pytest.raises(TokensFailed):
        TokenFile(tmp_path).read()


def test_when_tokens_were_used_is_kept_beside_them(tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    assert file.used() == {}
    file.write_used({"a": 1})
    assert file.used() == {"a": 1}
    (tmp_path / "tokens-used.json").write_text("[]")
    assert file.used() == {}
