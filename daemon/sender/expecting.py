"""Which codes a sender expects: ``AA``, ``AA|CA``, or ``CA,AA`` for an accept and then an application acknowledgement. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.sender.acknowledgement import POSITIVE, Acknowledgement

CODES = frozenset(("AA", "AE", "AR", "CA", "CE", "CR"))
"""HL7 table 0008."""


class ExpectationInvalid(ValueError):
    """What is expected cannot be read."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The replies a message is to get, one set of codes for each."""

    steps: tuple[frozenset[str], ...] = (POSITIVE,)

    @property
    def replies(self) -> int:
        """How many replies to wait for."""
        return len(self.steps)

    def is_met(self, replies: Sequence[Acknowledgement]) -> bool:
        """Say whether the replies are those expected, in that order; of more than expected, each fits the last step."""
        if len(replies) < len(self.steps):
            return False
        steps = (*self.steps, *(self.steps[-1],) * (len(replies) - len(self.steps)))
        return all(reply.code in codes for reply, codes in zip(replies, steps, strict=True))


def parse_expectation(text: str) -> Expectation:
    """Read an expectation.

    Raises:
        ExpectationInvalid: a word is no acknowledgement code.
    """
    steps = []
    for step in text.upper().split(","):
        codes = frozenset(code.strip() for code in step.split("|"))
        if not codes <= CODES:
            raise ExpectationInvalid(min(codes - CODES))
        steps.append(codes)
    return Expectation(tuple(steps))
