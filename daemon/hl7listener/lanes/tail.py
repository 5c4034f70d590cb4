"""What was stored a moment ago, kept in memory so that it need not be read back. Bounded; the spool has it all."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from daemon.hl7listener.spool.rows import Row

TAIL_ROWS = 2000
TAIL_BYTES = 16 * 1024 * 1024
"""How much is kept; a longer backlog is read from the disk."""

BATCH_ROWS = 100
BATCH_BYTES = 1024 * 1024
"""How much is handed on in one go."""


class Tail:
    """The newest messages of a feed, in their order.

    Attributes:
        size_bytes: what their bytes come to.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._rows: deque[Row] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        """Count them."""
        return len(self._rows)

    @property
    def last_seq(self) -> int | None:
        """The number of the newest message; ``None`` if there is none."""
        return self._rows[-1].seq if self._rows else None

    def extend(self, rows: Sequence[Row]) -> bool:
        """Add messages; say whether there was room. If not, nothing is kept at all."""
        self._rows.extend(rows)
        self.size_bytes += sum(len(row.data) for row in rows)
        if len(self._rows) <= TAIL_ROWS and self.size_bytes <= TAIL_BYTES:
            return True
        self.clear()
        return False

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self.size_bytes = 0

    def forget(self, seq: int) -> None:
        """Forget the messages up to ``seq``."""
        while self._rows and self._rows[0].seq <= seq:
            self.size_bytes -= len(self._rows.popleft().data)

    def batch_after(self, seq: int) -> list[Row]:
        """Give the messages to hand on next, and forget those up to ``seq``."""
        self.forget(seq)
        batch: list[Row] = []
        size_bytes = 0
        for row in islice(self._rows, BATCH_ROWS):
            size_bytes += len(row.data)
            if batch and size_bytes > BATCH_BYTES:
                break
            batch.append(row)
        return batch
