"""Pseudonyms: the same for the same value within a site, and not to be traced back without its secret. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

SHORTEST_ID, LONGEST_ID = 8, 20
TRIES = 16
_YEAR_DAYS = 365
_DIGITS, _LETTERS = "0123456789", "0123456789ABCDEFGHJKLMNPQRSTVWXYZ"
_FAMILY = (
    "ALDER", "BIRCH", "CEDAR", "DOGWOOD", "ELDER", "FIR", "GORSE", "HAWTHORN", "IVY", "JUNIPER", "KAPOK", "LINDEN",
    "MAPLE", "NUTMEG", "OLIVE", "POPLAR", "QUINCE", "ROWAN", "SPRUCE", "TEAK", "ULMUS", "VIBURNUM", "WILLOW", "YEW",
)  # fmt: skip
_GIVEN = (
    "AGATE", "BERYL", "CORAL", "DIAMOND", "EMERALD", "FLINT", "GARNET", "HEMATITE", "IOLITE", "JADE", "KYANITE", "LAZULI",
    "MICA", "ONYX", "PEARL", "QUARTZ", "RUBY", "SAPPHIRE", "TOPAZ", "UVITE", "ZIRCON",
)  # fmt: skip
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d{0,6}(?:\.\d{1,4})?)([+-]\d{4})?", re.ASCII)
_YEAR_OR_MONTH = re.compile(r"\d{4}(\d\d)?", re.ASCII)


class Pseudonyms:
    """Gives pseudonyms under a secret."""

    def __init__(self, secret: bytes, avoid: Iterable[str] = ()) -> None:
        """Keep the secret, and what no pseudonym may contain (casefolded)."""
        self._secret = hashlib.blake2b(secret, digest_size=32).digest()
        self._avoid = tuple(avoid)

    def id(self, value: str) -> str:
        """Give an identifier: digits for digits, about as long; empty if none can be given."""
        alphabet = _DIGITS if value.isdecimal() else _LETTERS
        length = min(max(len(value), SHORTEST_ID), LONGEST_ID)
        return self._first(
            "".join(alphabet[byte % len(alphabet)] for byte in self._stream("id", value, turn)[:length])
            for turn in range(TRIES)
        )

    def family(self, value: str) -> str:
        """Give a family name."""
        return self._word("family", value, _FAMILY)

    def given(self, value: str) -> str:
        """Give a given name."""
        return self._word("given", value, _GIVEN)

    def phone(self, value: str) -> str:
        """Give a telephone number nobody has (555-01xx)."""
        return self._first(f"555-01{self._stream('phone', value, turn)[0] % 100:02d}" for turn in range(TRIES))

    def shift_days(self, person: str) -> int:
        """Give the number of days by which everything of a person is moved: one to two years back, below 0."""
        raw = int.from_bytes(self._stream("days", person, 0)[:4], "big")
        return -_YEAR_DAYS - 1 - raw % _YEAR_DAYS

    def is_clean(self, text: str) -> bool:
        """Say whether a text contains nothing that is to be avoided."""
        folded = text.casefold()
        return not any(one in folded for one in self._avoid)

    def _word(self, what: str, value: str, words: tuple[str, ...]) -> str:
        return self._first(words[self._stream(what, value.casefold(), turn)[0] % len(words)] for turn in range(TRIES))

    def _first(self, candidates: Iterable[str]) -> str:
        return next((one for one in candidates if self.is_clean(one)), "")

    def _stream(self, what: str, value: str, turn: int) -> bytes:
        text = f"{what}\n{turn}\n{value}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._secret, digest_size=32).digest()


def shifted(stamp: str, days: int) -> str:
    """Move an HL7 time stamp by whole days, its precision and offset kept; what is none, or only a year, gives nothing.

    Time stamps of less than a day's precision are cut to the year, which is moved too.
    """
    match = _TIME.fullmatch(stamp)
    if match is None:
        return _shifted_year(stamp, days)
    year, month, day, clock, offset = match.groups()
    try:
        moved = datetime(int(year), int(month), int(day), tzinfo=UTC) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}{clock}{offset or ''}"


def _shifted_year(stamp: str, days: int) -> str:
    if not _YEAR_OR_MONTH.fullmatch(stamp):
        return ""
    year = int(stamp[:4]) + round(days / _YEAR_DAYS)
    return f"{year:04d}" if MINYEAR <= year <= MAXYEAR else ""
