"""MLLP release 2, one connection of it: a commit block for each block, ours and theirs (ANSI/HL7 V3 TRMLLP R2).

    <VT> 0x06 <FS><CR>   stored        <VT> 0x15 <FS><CR>   not stored

Strictly in turn: what we send as content, an HL7 acknowledgement, waits for the commit block of the one before.
"""

from __future__ import annotations

from collections import deque

from daemon.hl7listener.wire.framer import END, START, frame

STORED = frame(b"\x06")
NOT_STORED = frame(b"\x15")

TRIES = 3
"""How often an answer is sent to a sender that says it could not store it."""


class Release2:
    """The content we send over one connection. Not shown: it may hold parts of messages."""

    def __init__(self) -> None:
        """Begin with nothing to send."""
        self._waiting: deque[bytes] = deque()
        self._sent: bytes | None = None
        self._tries = 0

    @property
    def is_waiting(self) -> bool:
        """Say whether a commit block for something we sent is due."""
        return self._sent is not None

    def offer(self, answers: bytes) -> bytes:
        """Take framed blocks to be sent; give what may be sent now."""
        self._waiting.extend(START + part + END for part in answers[1:-2].split(END + START) if answers)
        return self._next() if self._sent is None else b""

    def heard(self, *, is_positive: bool) -> bytes | None:
        """Hear a commit block; give what may be sent now, or ``None`` if the sender will not store our answer."""
        if self._sent is None:
            return b""
        if is_positive:
            return self._next()
        self._tries += 1
        return self._sent if self._tries < TRIES else None

    def rest(self) -> bytes:
        """Give all that was not sent yet, for a connection that ends."""
        rest = b"".join(self._waiting)
        self._waiting.clear()
        self._sent = None
        return rest

    def _next(self) -> bytes:
        self._sent = self._waiting.popleft() if self._waiting else None
        self._tries = 0
        return self._sent or b""
