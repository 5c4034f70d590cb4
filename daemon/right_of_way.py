"""Who goes first on the one event loop: what is on its way to the disk, and with it an acknowledgement, before what may wait."""

from __future__ import annotations

from collections.abc import Callable


class RightOfWay:
    """Taken while something is under way that others make room for. How long they do is their own bound.

    Attributes:
        is_taken: whether something is under way.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self.is_taken = False
        self._waiting: list[Callable[[], None]] = []

    def take(self) -> None:
        """Note that something is under way."""
        self.is_taken = True

    def give(self) -> None:
        """Note that nothing is under way any more, and tell whoever waits."""
        self.is_taken = False
        waiting, self._waiting = self._waiting, []
        for go in waiting:
            go()

    def when_given(self, go: Callable[[], None]) -> None:
        """Have ``go`` called once, as soon as nothing is under way."""
        self._waiting.append(go)

    def forget(self, go: Callable[[], None]) -> None:
        """Do not call ``go``, if it still waits."""
        if go in self._waiting:
            self._waiting.remove(go)
