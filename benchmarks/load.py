"""An MLLP load: ``python -m benchmarks.load PORT CONNECTIONS SECONDS [WINDOW]``, results as one JSON line.

Each connection sends its next message once the last is acknowledged; with a window of more than one, that many are under way.
A process of its own, so that what is measured has its interpreter to itself, and one that does little for a message: it
takes its time from the same processors.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque

SIZE = 600
LIMIT_S = 30.0
_END = b"\x1c\r"
_TEMPLATE = (
    b"\x0bMSH|^~\\&|SIM|HOSP|CAR|HOSP|20261122050000||ADT^A02^ADT_A02|M%010d|P|2.5\r"
    b"EVN|A02|20261122050000\r"
    b"PID|1||P%06d^^^HOSP^MR||TEST%02d^PATIENT||19700101|F|||1 MAIN ST^^TOWN^ST^12345\r"
    b"PV1|1|I|ICU^%03d^A|||MED^001^B|1234^DOC^A|||MED||||1|||1234^DOC^A|IP|V%07d\r"
    b"ZZZ|"
)
_FILLER = b"x" * (SIZE - len(_TEMPLATE % (0, 0, 0, 0, 0)) - 3) + b"\r" + _END


def message(number: int) -> bytes:
    """Write an ADT^A02 of 600 bytes, in a block."""
    values = (number % 10**10, number % 1000, number % 97, number % 40, number % 10**7)
    return _TEMPLATE % values + _FILLER


class Sender:
    """One connection, and when what is under way was sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at_s: deque[float] = deque()
        self.rest = b""

    def send(self, first: int, count: int) -> None:
        """Send messages with numbers from ``first`` on."""
        data = message(first) if count == 1 else b"".join([message(first + place) for place in range(count)])
        at_s = time.perf_counter()
        self.sent_at_s.extend((at_s,) * count)
        self.socket.sendall(data)

    def acknowledged(self, took_s: list[float]) -> int:
        """Read what has come, note how long each message took, and say how many they were."""
        data = self.rest + self.socket.recv(262_144)
        count = data.count(_END)
        assert data.count(b"MSA|AA|") >= count > 0 or not data.endswith(_END), data
        self.rest = data[data.rfind(_END) + 2 :] if count else data
        at_s = time.perf_counter()
        took_s.extend([at_s - self.sent_at_s.popleft() for _ in range(count)])
        return count


def load(port: int, connections: int, seconds: float, window: int) -> dict[str, float]:
    senders = [Sender(port) for _ in range(connections)]
    by_number = {sender.socket.fileno(): sender for sender in senders}
    ready = select.epoll()
    for number in by_number:
        ready.register(number, select.EPOLLIN)
    took_s: list[float] = []
    next_number = time.time_ns() // 1_000_000 % 10**7 * 1000
    begun_s = time.perf_counter()
    until_s = begun_s + seconds
    for sender in senders:
        sender.send(next_number, window)
        next_number += window
    under_way = connections * window
    while under_way:
        found = ready.poll(LIMIT_S)
        assert found, "no acknowledgement"
        for number, _ in found:
            sender = by_number[number]
            count = sender.acknowledged(took_s)
            under_way -= count
            if count and time.perf_counter() < until_s:
                sender.send(next_number, count)
                next_number += count
                under_way += count
    took = time.perf_counter() - begun_s
    took_s.sort()
    return {
        "acks": len(took_s),
        "per_second": len(took_s) / took,
        "p50_ms": took_s[len(took_s) // 2] * 1000,
        "p99_ms": took_s[int(len(took_s) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    window = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    print(json.dumps(load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), window)))
