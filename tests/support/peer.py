"""A sender with control over every byte, on a plain blocking socket."""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

from daemon.hl7listener.wire.framer import Block, Framer
from daemon.sender.acknowledgement import Acknowledgement, read_acknowledgement

TIMEOUT_S = 30.0


class Peer:
    """One connection to a listener."""

    def __init__(self, port: int, *, timeout_s: float = TIMEOUT_S, source: str = "") -> None:
        own = (source, 0) if source else None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s, source_address=own)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = Framer(64 * 1024 * 1024)
        self._blocks: list[bytes] = []
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.socket.sendall(data)

    def replies(self, count: int) -> list[bytes]:
        """Wait for so many replies and give their data; raises if the connection ends before."""
        while len(self._blocks) < count:
            data = self.socket.recv(65_536)
            if not data:
                message = f"closed after {len(self._blocks)} of {count} replies"
                raise ConnectionError(message)
            self.received += data
            self._blocks += [event.data for event in self._framer.feed(data) if isinstance(event, Block)]
        first, self._blocks = self._blocks[:count], self._blocks[count:]
        return first

    def acks(self, count: int = 1) -> list[Acknowledgement]:
        """Wait for so many acknowledgements."""
        return [read_acknowledgement(reply) for reply in self.replies(count)]

    def rest_or_reply(self) -> bytes:
        """Wait for one reply and give its data; empty if the connection ends instead."""
        try:
            return self.replies(1)[0]
        except ConnectionError:
            return b""

    def rest(self) -> bytes:
        """Read until the listener closes; a reset counts as an end."""
        data = b""
        try:
            while piece := self.socket.recv(65_536):
                data += piece
        except ConnectionResetError:
            pass
        return data

    def reset(self) -> None:
        """Break the connection without a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
