"""Answers that come later than the commit: written in the order of their blocks, whichever is known first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from daemon.hl7listener.spool import Stored
from daemon.hl7listener.wire.taking import Taken


class Slot:
    """The place of one block's late answer among those of its connection."""

    __slots__ = ("_answer", "_answers", "_ends")

    def __init__(self, answers: LateAnswers) -> None:
        """Wait to be filled."""
        self._answers: LateAnswers | None = answers
        self._answer: bytes | None = None
        self._ends = False

    @property
    def is_wanted(self) -> bool:
        """Say whether somebody still waits for the answer."""
        return self._answers is not None and self._answer is None and not self._ends

    def fill(self, answer: bytes | None) -> None:
        """Give the answer, empty if none is due; ``None`` ends the connection without one, once those before it are written.

        What nobody waits for any more is dropped.
        """
        if self._answers is not None and self.is_wanted:
            self._answer, self._ends = answer, answer is None
            self._answers.move_on()

    def take(self) -> tuple[bytes | None, bool]:
        """Give the answer, if it is known, and whether the connection is to end instead."""
        return self._answer, self._ends

    def drop(self) -> None:
        """Take no answer any more."""
        self._answers = None


class LateAnswers:
    """The slots of one connection, in the order of their blocks."""

    def __init__(self, write: Callable[[bytes], None], give_up: Callable[[], None]) -> None:
        """Keep how answers are written, and how a connection is ended without one."""
        self._write = write
        self._give_up = give_up
        self._slots: deque[Slot] = deque()

    def __len__(self) -> int:
        """Count the slots whose answers are not written."""
        return len(self._slots)

    def reserve(self) -> Slot:
        """Take the next place."""
        slot = Slot(self)
        self._slots.append(slot)
        return slot

    def move_on(self) -> None:
        """Write what is known and not behind anything that is not."""
        while self._slots:
            answer, ends = self._slots[0].take()
            if ends:
                self.end()
                self._give_up()
                return
            if answer is None:
                return
            self._slots.popleft().drop()
            self._write(answer)

    def end(self) -> None:
        """Forget all slots: the connection is gone."""
        while self._slots:
            self._slots.popleft().drop()


class Waiting(Protocol):
    """Finds out what the final answers of a feed's messages are."""

    @property
    def has_room(self) -> bool:
        """Say whether another answer may wait; if not, the feed's connections are not read."""
        ...

    def prepare(self, taken: Taken) -> Taken:
        """Judge a block further, before it is passed to the disk."""
        ...

    def lost(self, taken: Taken) -> None:
        """Take note that a block could not be stored."""
        ...

    def kept(self, taken: Taken, stored: Stored) -> None:
        """Take note that a block is stored, whether or not its connection is still there."""
        ...

    def settle(self, taken: Taken, stored: Stored, tell: Callable[[bytes | None], None]) -> tuple[bytes, bytes | None]:
        """Answer a block that is stored; called in the order of the blocks.

        Give what is sent at once and what keeps its place among the late answers. If the latter is ``None``, ``tell`` is
        called with it later, and once; with ``None`` if there will be none and the connection ends.
        """
        ...

    def on_room(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when there is no more room, and when there is again."""
        ...
