"""Keeps a flood of refusals from filling the disk: the first of an address stand alone, what follows is counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address

from daemon.deeds import Deed, DeedKind, Outcome
from daemon.public import Public

WINDOW_S = 60.0
EACH_ADDRESS = 5
ALTOGETHER = 200
"""Refusals of one address, and of all, that are recorded one by one within a window."""

ADDRESSES = 1000
_IPV6_NET_BITS = 64
_MANY = Public("many")


@dataclass(slots=True)
class _Told:
    passed: int = 0
    held: dict[tuple[DeedKind, Public, Public], int] = field(default_factory=dict)


class Flood:
    """What was refused in this window."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._begun_s = 0.0
        self._by_address: dict[Public, _Told] = {}
        self._passed = 0

    def take(self, deed: Deed, now_s: float) -> list[Deed]:
        """Give what is to be recorded now that this happened: what an ended window held back, and the deed unless it is held."""
        due = self.due(now_s)
        if deed.outcome is not Outcome.REFUSED:
            return [*due, deed]
        if not self._by_address:
            self._begun_s = now_s
        key = _net(deed.address)
        if key not in self._by_address and len(self._by_address) >= ADDRESSES:
            key = _MANY
        told = self._by_address.setdefault(key, _Told())
        if told.passed < EACH_ADDRESS and self._passed < ALTOGETHER:
            told.passed += 1
            self._passed += 1
            return [*due, deed]
        if self._passed >= ALTOGETHER and not told.passed and not told.held:
            told = self._by_address.setdefault(_MANY, _Told())
        what = deed.kind, deed.about, deed.reason
        told.held[what] = told.held.get(what, 0) + deed.count
        return due

    def due(self, now_s: float, *, at_once: bool = False) -> list[Deed]:
        """Give what a window held back, once it is over or at once, as one deed for each address, feed and reason."""
        if not self._by_address or (now_s - self._begun_s < WINDOW_S and not at_once):
            return []
        found = [
            replace(_blank(kind, about), reason=reason, address=address, count=count)
            for address, told in self._by_address.items()
            for (kind, about, reason), count in told.held.items()
        ]
        self._by_address, self._passed = {}, 0
        return found

    @property
    def is_holding(self) -> bool:
        """Say whether a window is open."""
        return bool(self._by_address)


def _blank(kind: DeedKind, about: Public) -> Deed:
    return Deed(kind, Public(""), about, Outcome.REFUSED)


def _net(address: Public) -> Public:
    """Take the addresses of one IPv6 network together: whoever has one has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return Public(str(IPv6Address(int(parsed) >> _IPV6_NET_BITS << _IPV6_NET_BITS)) + f"/{_IPV6_NET_BITS}")
