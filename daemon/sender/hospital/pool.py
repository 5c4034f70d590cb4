"""Things to pick from by chance. Pure, and the same on every run: nothing depends on the order of a set or of addresses."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from daemon.sender.hospital.chance import Chance

T = TypeVar("T", bound=Hashable)


class Pool(Generic[T]):
    """A bounded bag: adding, removing and picking take the same time however much is in it."""

    def __init__(self, limit: int, things: Iterable[T] = ()) -> None:
        """Hold at most ``limit`` things."""
        self._limit = limit
        self._things = list(things)
        self._places = {thing: place for place, thing in enumerate(self._things)}

    def __len__(self) -> int:
        """Count what is in it."""
        return len(self._things)

    def __contains__(self, thing: T) -> bool:
        """Say whether something is in it."""
        return thing in self._places

    @property
    def has_room(self) -> bool:
        """Say whether one more fits."""
        return len(self._things) < self._limit

    def add(self, thing: T) -> T | None:
        """Put something in; give what had to go for it, if it was full: the thing that stands first. What is in it stays where it is."""
        pushed = None
        if thing in self._places:
            return None
        if not self.has_room:
            pushed = self._things[0]
            self.remove(pushed)
        self._places[thing] = len(self._things)
        self._things.append(thing)
        return pushed

    def remove(self, thing: T) -> None:
        """Take something out; nothing happens if it is not in it."""
        place = self._places.pop(thing, None)
        if place is None:
            return
        last = self._things.pop()
        if place < len(self._things):
            self._things[place] = last
            self._places[last] = place

    def pick(self, chance: Chance) -> T:
        """Choose one; it stays in."""
        return self._things[int(chance.random() * len(self._things))]

    def take(self, chance: Chance) -> T:
        """Choose one and take it out."""
        thing = self.pick(chance)
        self.remove(thing)
        return thing
