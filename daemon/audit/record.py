"""Records of the audit trail: one line of JSON each, with the hash of the one before. Pure.

The hash of a record is SHA-256 over its line up to the hash itself. Whoever changes, takes out or slips in a record must change
all that follow, and the last hash with them; that one stands in the log too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from daemon.clock import instant
from daemon.deeds import Deed

BEGINNING = "0" * 64
FIELD_LIMIT = 512
_MARK = b',"hash":"'
_TAIL = len(_MARK) + 64 + len(b'"}')


class Head(NamedTuple):
    """The last record of a chain: its number, from 1, and its hash."""

    number: int = 0
    digest: str = BEGINNING


def write_record(deed: Deed, head: Head, at_us: int, iti20: str | None = None) -> tuple[bytes, Head]:
    """Write the record that follows ``head``, with its line end; give the new head."""
    body: dict[str, Any] = {
        "n": head.number + 1,
        "at": instant(at_us).isoformat(),
        "kind": deed.kind.value,
        "outcome": deed.outcome.value,
        "who": deed.who[:FIELD_LIMIT],
        "about": deed.about[:FIELD_LIMIT],
        "reason": deed.reason[:FIELD_LIMIT],
        "address": deed.address[:FIELD_LIMIT],
        "count": deed.count,
        "note": deed.note[:FIELD_LIMIT],
    }
    body |= {
        name: text[:FIELD_LIMIT]
        for name, text in (("role", deed.role), ("before", deed.before), ("after", deed.after))
        if text
    }
    if iti20 is not None:
        body["iti20"] = iti20
    body["prev"] = head.digest
    text = orjson.dumps(_sound(body))[:-1]
    digest = sha256(text).hexdigest()
    return text + _MARK + digest.encode() + b'"}\n', Head(head.number + 1, digest)


def _sound(body: dict[str, Any]) -> dict[str, Any]:
    """Take out what JSON cannot hold: lone surrogates, from names in another encoding."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in body.items()
    }


def read_head(line: bytes) -> Head | None:
    """Read number and hash of a record; ``None`` if the line is none, or is not what its hash says."""
    line = line.rstrip(b"\n")
    text, digest = line[:-_TAIL], line[-_TAIL:]
    if not digest.startswith(_MARK) or sha256(text).hexdigest().encode() != digest[len(_MARK) : -2]:
        return None
    try:
        number = orjson.loads(text + b"}")["n"]
    except (ValueError, KeyError, TypeError):
        return None
    return Head(number, digest[len(_MARK) : -2].decode()) if type(number) is int else None


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where a chain is broken: the line of a file, from 1, and what is wrong there."""

    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of following a chain.

    Attributes:
        records: that were read.
        first: the number of the first; older ones were removed.
        head: the last one.
        flaws: the first 100 places where it is broken.
        met: whether the head that was asked for is in it.
    """

    records: int
    first: int
    head: Head
    flaws: tuple[Flaw, ...]
    met: bool = True


FLAWS_SHOWN = 100


def follow(lines: Iterable[tuple[str, int, bytes]], wanted: Head | None = None) -> Verified:
    """Follow a chain from its oldest record on; lines come with their file and number."""
    head, first, records = Head(), 0, 0
    flaws: list[Flaw] = []
    met = wanted is None
    for file, number, line in lines:
        found = read_head(line)
        if found is None:
            flaws.append(Flaw(file, number, "the record is not what its hash says, or is cut off"))
            continue
        if not records:
            first = found.number
            is_next = found.number > 1 or previous_of(line) == BEGINNING
        else:
            is_next = found.number == head.number + 1 and previous_of(line) == head.digest
        if not is_next:
            text = f"record {found.number} does not follow record {head.number}: some are missing or were changed"
            flaws.append(Flaw(file, number, text))
        head, records = found, records + 1
        met = met or found == wanted
    return Verified(records, first, head, tuple(flaws[:FLAWS_SHOWN]), met)


def previous_of(line: bytes) -> str:
    """Give the hash a record says the one before has."""
    try:
        return str(orjson.loads(line).get("prev", ""))
    except ValueError:
        return ""
