"""How often somebody may ask, and how often they may be wrong. Tables of bounded size. Pure: the time is handed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

ENTRIES_LIMIT = 10_000
FAILURES_FREE = 5
"""Wrong tokens within ``FORGET_S`` that cost nothing; each further one doubles the wait."""

FORGET_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
ALL_FAILURES = 100
"""Wrong tokens of all addresses within ``FORGET_S`` after which only known addresses may try."""

_IPV6_NET_BITS = 64


@lru_cache(maxsize=1024)
def net_of(address: str) -> str:
    """Take the addresses of one IPv6 network together: whoever has one has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _IPV6_NET_BITS << _IPV6_NET_BITS)}/{_IPV6_NET_BITS}"


class Buckets:
    """Token buckets by key: ``rate`` a second on average, ``burst`` at once."""

    def __init__(self, rate: float, burst: float, *, limit: int = ENTRIES_LIMIT) -> None:
        """Begin with full ones."""
        self._rate, self._burst, self._limit = rate, burst, limit
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable, now_s: float) -> float:
        """Take one; give 0, or how many seconds to wait for the next."""
        left, since_s = self._left.pop(key, (self._burst, now_s))
        left = min(left + (now_s - since_s) * self._rate, self._burst)
        wait_s = 0.0 if left >= 1.0 else (1.0 - left) / self._rate
        self._left[key] = (left - 1.0 if wait_s == 0.0 else left), now_s
        if len(self._left) > self._limit:
            self._left.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        """Count those that are kept."""
        return len(self._left)


@dataclass(slots=True)
class _Wrong:
    count: int
    last_s: float
    until_s: float = 0.0


class Lockout:
    """Who was wrong how often. Whoever was right before is known, and is let try when strangers flood."""

    def __init__(self, *, limit: int = ENTRIES_LIMIT) -> None:
        """Begin with nobody."""
        self._limit = limit
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._all = _Wrong(0, 0.0)

    def wait_s(self, address: str, now_s: float) -> float:
        """Say how long an address must wait before it may try; 0: it may."""
        found = self._wrong.get(net_of(address))
        own_s = found.until_s - now_s if found is not None else 0.0
        all_s = 0.0 if net_of(address) in self._known else self._all.until_s - now_s
        return max(own_s, all_s, 0.0)

    def failed(self, address: str, now_s: float) -> None:
        """Note that an address tried a wrong token."""
        key = net_of(address)
        found = self._wrong.pop(key, None)
        if found is None or now_s - max(found.last_s, found.until_s) > FORGET_S:
            found = _Wrong(0, now_s)
        _count(found, FAILURES_FREE, now_s)
        self._wrong[key] = found
        if len(self._wrong) > self._limit:
            self._wrong.popitem(last=False)
        if now_s - max(self._all.last_s, self._all.until_s) > FORGET_S:
            self._all = _Wrong(0, now_s)
        _count(self._all, ALL_FAILURES, now_s)

    def succeeded(self, address: str) -> None:
        """Note that an address showed a right token."""
        key = net_of(address)
        self._wrong.pop(key, None)
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        """Count the addresses that were wrong."""
        return len(self._wrong)


def _count(wrong: _Wrong, free: int, now_s: float) -> None:
    wrong.count += 1
    wrong.last_s = now_s
    over = wrong.count - free
    if over >= 0:
        wrong.until_s = now_s + min(FIRST_WAIT_S * 2.0 ** min(over, 30), LONGEST_WAIT_S)
