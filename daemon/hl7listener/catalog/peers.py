"""From a feed's keys to where its senders come from; and addresses that cannot be listened on at once."""

from __future__ import annotations

from daemon.hl7listener.catalog.trust import read_trust
from daemon.hl7listener.peers.peers import Peers
from daemon.settings import Problem, Settings
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath
from daemon.settings.values import Address


def read_peers(path: KeyPath, section: FeedSection) -> tuple[Peers, list[Problem]]:
    """Read where the senders of the feed at ``path`` come from."""
    listen = _addresses(section)
    trust, problems = read_trust(
        path, section, listen, listens=section.listen is not None, connects=section.connect is not None
    )
    peers = Peers(
        listen,
        inherited_only=isinstance(section.listen, str),
        connect=section.connect,
        retry_s=section.connect_retry,
        **trust._asdict(),
    )
    return peers, problems


def collisions(settings: Settings) -> list[Problem]:
    """Find addresses that cannot be listened on at once. Within a feed, all IPv4 and all IPv6 addresses can."""
    taken: list[tuple[tuple[str, ...], Address]] = [(("api", "listen"), settings.api.listen)]
    problems = []
    for name, section in settings.feed.items():
        path = ("feed", str(name), "listen")
        own: list[Address] = []
        for address in _addresses(section):
            others = [(".".join(other), one) for other, one in taken]
            others += [("the same feed", one) for one in own if (":" in one.host) is (":" in address.host)]
            for what, one in others:
                if address.collides(one):
                    text = f"{address} is already taken by {what}"
                    problems.append(Problem(path, text, "give each feed a port of its own"))
            own.append(address)
        taken += [(path, address) for address in own]
    return problems


def _addresses(section: FeedSection) -> tuple[Address, ...]:
    return section.listen if isinstance(section.listen, tuple) else ()
