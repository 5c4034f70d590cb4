"""What a probe is and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

B = TypeVar("B")


class Verdict(Enum):
    """How a listener did."""

    PASS = "pass"  # noqa: S105 - a verdict
    DEVIATES = "deviates"
    """It strays from the standard, and nothing is lost or altered by it."""
    FAIL = "fail"
    SKIPPED = "skipped"


class Severity(Enum):
    """What is at stake."""

    LOSS = "messages are lost or altered"
    STANDSTILL = "a feed stands still until somebody notices"
    CONFUSION = "senders misread the answer"
    STYLE = "some senders will not mind"


class Outcome(NamedTuple):
    """A verdict, and what was observed, in words that hold nothing of a message."""

    verdict: Verdict
    observation: str


@dataclass(frozen=True, slots=True)
class Probe(Generic[B]):
    """A probe.

    Attributes:
        name: group and name, with a slash between.
        sent: what is sent.
        wanted: what a good listener does.
        run: does it.
        is_aggressive: whether it can hurt a weak listener.
    """

    name: str
    sent: str
    wanted: str
    severity: Severity
    run: Callable[[B], Awaitable[Outcome]]
    is_aggressive: bool = False

    @property
    def group(self) -> str:
        """What it is about."""
        return self.name.partition("/")[0]


def passed(observation: str) -> Outcome:
    """Say that it is as it should be."""
    return Outcome(Verdict.PASS, observation)


def deviates(observation: str) -> Outcome:
    """Say that it strays."""
    return Outcome(Verdict.DEVIATES, observation)


def failed(observation: str) -> Outcome:
    """Say that it is wrong."""
    return Outcome(Verdict.FAIL, observation)


def skipped(observation: str) -> Outcome:
    """Say why it was not tried."""
    return Outcome(Verdict.SKIPPED, observation)


def chosen(probes: tuple[Probe[B], ...], only: tuple[str, ...]) -> tuple[Probe[B], ...]:
    """Choose probes by group, name, or group/name; without words all of them.

    Raises:
        KeyError: no probe is called so.
    """
    for word in only:
        if not any(word in (probe.group, probe.name, probe.name.partition("/")[2]) for probe in probes):
            raise KeyError(word)
    return tuple(
        probe
        for probe in probes
        if not only or {probe.group, probe.name, probe.name.partition("/")[2]}.intersection(only)
    )
