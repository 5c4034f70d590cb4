"""Numbers of things, in words."""

from __future__ import annotations

from daemon.public import Public


def counted(count: int, one: str, many: str | None = None) -> Public:
    """Write how many there are: ``1 feed``, ``2 feeds``; ``many`` is the plural if it is not ``one`` with an s.

    Both words are our own, never text from outside.
    """
    return Public(f"{count} {one if count == 1 else many or one + 's'}")
