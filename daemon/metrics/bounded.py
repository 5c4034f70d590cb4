"""Label values that others choose, kept to a number: those that come too late share one."""

from __future__ import annotations

OTHER = "other"
LABEL_LIMIT = 255


class Bounded:
    """Gives the first so many names as they are, and ``other`` for the rest."""

    def __init__(self, limit: int) -> None:
        """Begin with none."""
        self._limit = limit
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """Give the label of a name."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= self._limit:
                return OTHER
            known = self._known[name] = name[:LABEL_LIMIT]
        return known

    @property
    def known(self) -> tuple[str, ...]:
        """Name those with labels of their own."""
        return tuple(self._known)

    def forget(self, name: str) -> None:
        """Make room: the name is gone."""
        self._known.pop(name, None)
