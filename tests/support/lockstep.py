"""A sender that never gives up: each message is sent again until it is acknowledged, then the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.support.builders import framed
from tests.support.peer import Peer

PAUSE_S = 0.02


class LockstepSender:
    """Sends messages in order on a thread of its own, over as many connections as it takes."""

    def __init__(self, port: Callable[[], int], messages: Sequence[bytes]) -> None:
        self._port = port
        self._messages = messages
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self.codes: list[str] = []
        self.attempts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)

    def wait_acked(self, count: int, limit_s: float = 120.0) -> None:
        """Wait until so many messages are acknowledged."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.codes) >= count, limit_s):
                message = f"{len(self.codes)} of {count} messages acknowledged after {self.attempts} attempts"
                raise AssertionError(message)

    def wait_done(self) -> None:
        """Wait until all are acknowledged."""
        self.wait_acked(len(self._messages))

    def _run(self) -> None:
        while len(self.codes) < len(self._messages) and not self._stop.is_set():
            try:
                with Peer(self._port(), timeout_s=10.0) as peer:
                    while len(self.codes) < len(self._messages) and not self._stop.is_set():
                        self.attempts += 1
                        peer.send(framed(self._messages[len(self.codes)]))
                        [ack] = peer.acks()
                        with self._changed:
                            self.codes.append(ack.code)
                            self._changed.notify_all()
            except (OSError, AssertionError):
                self._stop.wait(PAUSE_S)
