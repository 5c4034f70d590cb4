"""What goes out over one connection: answers in the order of their blocks, and the commit blocks of MLLP release 2."""

from __future__ import annotations

from collections.abc import Callable

from daemon.hl7listener.ack.answers import LateAnswers, Waiting
from daemon.hl7listener.spool import Stored
from daemon.hl7listener.wire.release2 import NOT_STORED, STORED, Release2
from daemon.hl7listener.wire.taking import Taken
from daemon.ports import FaultPoint

_RELEASE_2 = 2


class Outlet:
    """The sending side of one connection.

    Attributes:
        answered: how many answers were written.
    """

    def __init__(
        self,
        release: int,
        write: Callable[[bytes], None],
        moved_on: Callable[[], None],
        give_up: Callable[[], None],
        at: FaultPoint,
    ) -> None:
        """Begin with nothing to say.

        Args:
            release: of MLLP.
            write: sends bytes, if the connection is still there.
            moved_on: is told after a late answer was written.
            give_up: ends the connection, for an answer is not to be had.
            at: named points.
        """
        self._release2 = Release2() if release == _RELEASE_2 else None
        self._write = write
        self._moved_on = moved_on
        self._late = LateAnswers(self._answer_late, give_up)
        self._at = at
        self.answered = 0

    @property
    def late(self) -> int:
        """Count the answers that are still to come."""
        return len(self._late)

    def end(self) -> None:
        """Take no more answers: the connection is gone."""
        self._late.end()

    def say_rest(self) -> None:
        """Send what still waits for a commit block of the sender: the connection ends."""
        if self._release2 is not None:
            self._write(self._release2.rest())

    # -- answers -------------------------------------------------------------------------------------------------------

    def settle(self, taken: Taken, stored: Stored, waiting: Waiting | None) -> None:
        """Answer a block that is stored. Application acknowledgements keep the order of their blocks, accept ones theirs."""
        if self._release2 is not None:
            self._write(STORED)
        if waiting is None:
            self.answer(stored.ack)
        else:
            slot = self._late.reserve()
            at_once, rest = waiting.settle(taken, stored, slot.fill)
            self.answer(at_once)
            if rest is not None:
                slot.fill(rest)

    def refuse(self, ack: bytes) -> bool:
        """Answer a block that could not be stored; say whether anything could be said."""
        if self._release2 is not None:
            self._write(NOT_STORED)
        self.answer(ack)
        return bool(ack) or self._release2 is not None

    def answer(self, ack: bytes) -> None:
        """Send an answer; none if it is empty."""
        if ack:
            self._at("ack.before")
            self._write(ack if self._release2 is None else self._release2.offer(ack))
            self._at("ack.after")
            self.answered += 1

    def _answer_late(self, ack: bytes) -> None:
        self.answer(ack)
        self._moved_on()

    # -- commit blocks of the sender -----------------------------------------------------------------------------------

    def skip_commit(self) -> bool:
        """Take a commit block that is due as come, for the next message is here; say whether one was due."""
        if self._release2 is None or not self._release2.is_waiting:
            return False
        self._write(self._release2.heard(is_positive=True) or b"")
        return True

    def heed_commit(self, *, is_positive: bool) -> bool | None:
        """Heed a commit block. ``None``: this is release 1; false: the sender will not take our answer."""
        if self._release2 is None:
            return None
        following = self._release2.heard(is_positive=is_positive)
        self._write(following or b"")
        return following is not None
