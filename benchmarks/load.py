"""An MLLP load: ``python -m benchmarks.load PORT CONNECTIONS SECONDS`` in lockstep, results as one JSON line.

A process of its own, so that what is measured has its interpreter to itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

SIZE = 600


def message(number: int) -> bytes:
    """Write an ADT^A02 of 600 bytes, in a block."""
    text = (
        f"MSH|^~\\&|SIM|HOSP|CAR|HOSP|20261122050000||ADT^A02^ADT_A02|M{number:09d}|P|2.5\r"
        f"EVN|A02|20261122050000\r"
        f"PID|1||P{number % 1000:06d}^^^HOSP^MR||TEST{number % 97}^PATIENT||19700101|F|||1 MAIN ST^^TOWN^ST^12345\r"
        f"PV1|1|I|ICU^{number % 40:03d}^A|||MED^001^B|1234^DOC^A|||MED||||1|||1234^DOC^A|IP|V{number:07d}\r"
    )
    filler = "x" * (SIZE - len(text) - 5)
    return b"\x0b" + f"{text}ZZZ|{filler}\r".encode() + b"\x1c\r"


class Sender(asyncio.Protocol):
    """Sends the next message once the last is acknowledged."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of asyncio's
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.endswith(b"\x1c\r"):
            assert b"MSA|AA|" in self._buffer, self._buffer
            self._buffer = b""
            self._load.took.append(time.perf_counter() - self._sent_at)
            if time.perf_counter() < self._load.until:
                self._next()
            elif self._transport is not None:
                self._transport.close()

    def _next(self) -> None:
        assert self._transport is not None
        self._load.number += 1
        self._sent_at = time.perf_counter()
        self._transport.write(message(self._load.number))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.open -= 1
        if not self._load.open:
            self._load.done.set()


class Load:
    """What all senders share."""

    def __init__(self, connections: int, seconds: float) -> None:
        self.took: list[float] = []
        self.open = connections
        self.number = time.time_ns() // 1_000_000 % 10**8 * 10
        self.until = time.perf_counter() + seconds
        self.done = asyncio.Event()


async def main() -> None:
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    loop = asyncio.get_running_loop()
    load = Load(connections, seconds)
    begun = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Sender(load), "127.0.0.1", port)
    await asyncio.wait_for(load.done.wait(), seconds + 30)
    took = sorted(load.took)
    print(
        json.dumps(
            {
                "acks": len(took),
                "per_second": len(took) / (time.perf_counter() - begun),
                "p50_ms": took[len(took) // 2] * 1000,
                "p99_ms": took[int(len(took) * 0.99)] * 1000,
            }
        )
    )


if __name__ == "__main__":
    uvloop.run(main())
