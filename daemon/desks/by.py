"""Who does something, for the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daemon.deeds import Deed, DeedKind
from daemon.public import Public

_NOTHING = Public("")


@dataclass(frozen=True, slots=True)
class By:
    """Who does something: a person, a command of this machine, or the daemon itself.

    Attributes:
        address: where the request came from; empty if it came from nowhere else.
        role: with which role.
    """

    who: Public
    address: Public = _NOTHING
    role: Public = _NOTHING

    def deed(self, kind: DeedKind, about: Public, **more: Any) -> Deed:
        """Write down what is done; ``more`` are further fields of the deed."""
        return Deed(kind, self.who, about, address=self.address, role=self.role, **more)
