"""From a feed's keys to where its senders come from; and addresses that cannot be listened on at once."""

from __future__ import annotations

from daemon.hl7listener.peers import Peers
from daemon.settings import Problem, Settings, Severity
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath
from daemon.settings.values import Address


def read_peers(path: KeyPath, section: FeedSection) -> tuple[Peers, list[Problem]]:
    """Read where the senders of the feed at ``path`` come from."""
    problems = []
    if not section.listen.is_loopback:
        text = f"{section.listen} takes patient data unencrypted from the network"
        hint = "put a TLS terminator in front, or keep the network closed"
        problems.append(Problem((*path, "listen"), text, hint, Severity.WARNING))
    return Peers((section.listen,)), problems


def collisions(settings: Settings) -> list[Problem]:
    """Find addresses that cannot be listened on at once."""
    taken: list[tuple[tuple[str, ...], Address]] = [(("api", "listen"), settings.api.listen)]
    problems = []
    for name, section in settings.feed.items():
        path = ("feed", str(name), "listen")
        for other, address in taken:
            if section.listen.collides(address):
                text = f"{section.listen} is already taken by {'.'.join(other)}"
                problems.append(Problem(path, text, "give each feed a port of its own"))
        taken.append((path, section.listen))
    return problems
