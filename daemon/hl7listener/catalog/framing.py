"""From a feed's keys to how its bytes become blocks."""

from __future__ import annotations

from daemon.hl7listener.wire.framing import Framing, Limits
from daemon.settings import Problem, Severity
from daemon.settings.feed import FeedSection
from daemon.settings.problems import KeyPath


def read_framing(path: KeyPath, section: FeedSection) -> tuple[Framing, list[Problem]]:
    """Read framing and limits of the feed at ``path``."""
    limits = Limits(
        frame_bytes=section.frame_limit,
        connections=section.connections,
        connections_per_peer=section.connections_per_peer,
        idle_s=section.idle_timeout,
        frame_s=section.frame_timeout,
        write_s=section.write_timeout,
        min_rate_bytes=section.min_rate,
        in_flight_bytes=section.in_flight,
    )
    framing = Framing(limits, section.framing == "strict", section.frame_grace, section.mllp_release)
    return framing, _odd(path, section)


def _odd(path: KeyPath, section: FeedSection) -> list[Problem]:
    problems = []
    if section.framing == "strict" and "frame_grace" in section.model_fields_set:
        text = 'means nothing with framing = "strict", which refuses blocks without CR after FS'
        problems.append(Problem((*path, "frame_grace"), text, "leave it out", Severity.WARNING))
    slowest_bytes = section.min_rate * section.frame_timeout
    if slowest_bytes > section.frame_limit:
        text = "asks for more than frame_limit within frame_timeout, so only short blocks are held to it"
        problems.append(Problem((*path, "min_rate"), text, "write less", Severity.WARNING))
    if section.connections_per_peer is not None and section.connections_per_peer > section.connections:
        text = f"is more than connections, {section.connections}"
        problems.append(Problem((*path, "connections_per_peer"), text, "write less", Severity.WARNING))
    return problems
