"""How far a task says it is: the meta of a state of its own (``update_state``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_PERCENT_KEYS = ("progress", "percent", "percentage")
_TEXT_KEYS = ("status", "message", "description", "step")


@dataclass(frozen=True, slots=True)
class Progress:
    """The meta of a custom state, as it is; not part of the representation."""

    meta: Any = field(repr=False)

    @property
    def fraction(self) -> float | None:
        """Give what part is done, 0 to 1: ``current`` of ``total``, or ``progress``, ``percent``, ``percentage`` of 100."""
        current, total = self._number("current"), self._number("total")
        if current is not None and total is not None and total > 0:
            return _part(current, total)
        percent = next((found for key in _PERCENT_KEYS if (found := self._number(key)) is not None), None)
        return None if percent is None else _part(percent, 100)

    @property
    def text(self) -> str | None:
        """Give the words that go with it: ``status``, ``message``, ``description`` or ``step``."""
        if isinstance(self.meta, str):
            return self.meta
        found = (self.meta.get(key) for key in _TEXT_KEYS) if isinstance(self.meta, Mapping) else ()
        return next((text for text in found if isinstance(text, str)), None)

    def _number(self, key: str) -> int | float | None:
        found = self.meta.get(key) if isinstance(self.meta, Mapping) else None
        is_number = isinstance(found, (int, float)) and not isinstance(found, bool) and found == found  # noqa: PLR0124 - NaN
        return found if is_number else None


def _part(done: float, whole: float) -> float | None:
    if done >= whole:
        return 1.0
    try:
        return max(done, 0) / whole
    except OverflowError:  # an integer beyond all floats beside a float
        return None
