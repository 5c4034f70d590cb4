"""Tokens as they are kept: who, what they may, until when; of the secret a hash alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from daemon.api.http.caller import Capability, Role
from daemon.clock import instant, microseconds
from daemon.public import Public

FORMAT = 1
TOKENS_LIMIT = 1000
TEXT_LIMIT = 128
"""Longest text that is looked at as a token; ours have 60 characters."""

NAME_LIMIT = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 @._+-]{0,63}", re.ASCII)
_ID = re.compile(r"[a-z2-7]{12}", re.ASCII)
_TEXT = re.compile(r"crl_([a-z2-7]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


class TokensUnreadable(ValueError):
    """The file of tokens is not what we wrote; the message says where and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token.

    Attributes:
        id: the part of its text that is no secret.
        name: who it was given to; one name, one token.
        digest: the argon2id hash of its secret, in its own notation.
        feeds: those whose contents may be seen with ``phi``; ``None``: all.
        expires_us: from when on it is none any more.
    """

    id: str
    name: Public
    role: Role
    digest: str
    created_us: int
    created_by: Public
    capabilities: frozenset[Capability] = frozenset()
    feeds: frozenset[str] | None = None
    expires_us: int | None = None

    def is_good(self, now_us: int) -> bool:
        """Say whether it has not expired."""
        return self.expires_us is None or now_us < self.expires_us

    def __repr__(self) -> str:
        """Show whose it is."""
        return f"Token(id={self.id!r}, name={self.name!r}, role={self.role.name})"


def is_name(text: str) -> bool:
    """Say whether a token may have this name."""
    return _NAME.fullmatch(text) is not None and text == text.strip()


def written_text(token_id: str, secret: str) -> str:
    """Write a token as it is handed out."""
    return f"crl_{token_id}_{secret}"


def parts_of(text: str) -> tuple[str, str] | None:
    """Give id and secret of a token's text; ``None`` if it is none."""
    found = _TEXT.fullmatch(text) if len(text) <= TEXT_LIMIT else None
    return None if found is None else (found[1], found[2])


def write_tokens(tokens: Iterable[Token]) -> bytes:
    """Write the file of tokens."""
    rows = [
        {
            "id": one.id,
            "name": one.name,
            "role": one.role.word,
            "capabilities": sorted(capability.value for capability in one.capabilities),
            "feeds": None if one.feeds is None else sorted(one.feeds),
            "created_at": instant(one.created_us),
            "created_by": one.created_by,
            "expires_at": None if one.expires_us is None else instant(one.expires_us),
            "digest": one.digest,
        }
        for one in tokens
    ]
    document = {"format": FORMAT, "tokens": rows}
    return orjson.dumps(
        document, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE, default=str
    )


def read_tokens(content: bytes) -> tuple[Token, ...]:
    """Read the file of tokens; all of it or nothing.

    Raises:
        TokensUnreadable: it is none, or of a later version.
    """
    try:
        document = orjson.loads(content)
        is_known = document["format"] == FORMAT
        tokens = tuple(_token(row) for row in document["tokens"][:TOKENS_LIMIT]) if is_known else ()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TokensUnreadable("not a file of tokens") from None
    if not is_known:
        raise TokensUnreadable("of another version")
    return tokens


def _token(row: Mapping[str, Any]) -> Token:
    if not (is_name(row["name"]) and _ID.fullmatch(row["id"]) and isinstance(row["digest"], str)):
        raise ValueError("not a token")
    feeds = row["feeds"]
    return Token(
        id=row["id"],
        name=Public(row["name"]),
        role=Role[row["role"].upper()],
        digest=row["digest"],
        created_us=_us(row["created_at"]),
        created_by=Public(row["created_by"]),
        capabilities=frozenset(Capability(word) for word in row["capabilities"]),
        feeds=None if feeds is None else frozenset(map(str, feeds)),
        expires_us=None if row["expires_at"] is None else _us(row["expires_at"]),
    )


def _us(text: str) -> int:
    return microseconds(datetime.fromisoformat(text))
