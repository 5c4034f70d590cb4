"""Numbers of things, in words."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.public import Public

_MOST_NAMED = 20


def counted(count: int, one: str, many: str | None = None) -> Public:
    """Write how many there are: ``1 feed``, ``2 feeds``; ``many`` is the plural if it is not ``one`` with an s.

    Both words are our own, never text from outside.
    """
    return Public(f"{count} {one if count == 1 else many or one + 's'}")


def numbered(numbers: Iterable[int]) -> Public:
    """Name messages by their numbers: ``message 7``, ``messages 7, 13, 20-45``; of many runs of numbers the first twenty."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    named = [f"{first}" if first == last else f"{first}-{last}" for first, last in runs[:_MOST_NAMED]]
    more = ", …" if len(runs) > _MOST_NAMED else ""
    is_one = len(runs) == 1 and runs[0][0] == runs[0][1]
    return Public(f"message{'' if is_one else 's'} {', '.join(named)}{more}")
