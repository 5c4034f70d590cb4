"""Listeners to send to: the sink in a thread of its own, and servers that do it worse."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from daemon.clock import SystemClock
from daemon.hl7listener.wire.framer import frame
from daemon.sender.answers import parse_answer
from daemon.sender.sink import Received, Sink
from daemon.settings.values import Address, parse_duration_s
from tests.support.process import ROOT

LIMIT_S = 30.0


class Sunk:
    """What a sink took.

    Attributes:
        port: where it listens.
        received: the messages, in their order.
        notes: what it said of connections.
    """

    def __init__(self) -> None:
        self.port = 0
        self.received: list[Received] = []
        self.notes: list[str] = []
        self.more = threading.Condition()

    @property
    def to(self) -> str:
        return f"127.0.0.1:{self.port}"

    def take(self, received: Received) -> None:
        with self.more:
            self.received.append(received)
            self.more.notify_all()

    def note(self, peer: str, sentence: str) -> None:
        del peer
        with self.more:
            self.notes.append(sentence)
            self.more.notify_all()

    def wait(self, count: int) -> list[Received]:
        """Wait until so many messages came."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.received) >= count, LIMIT_S)
        return self.received


@contextmanager
def sinking(*acks: str, tls: ssl.SSLContext | None = None, release: int = 1) -> Iterator[Sunk]:
    """Run a sink that answers as it is told."""
    sunk = Sunk()
    answers = [parse_answer(text, parse_duration_s) for text in acks]
    ready = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, anyio.Event]] = []

    async def serve() -> None:
        sink = Sink(Address("127.0.0.1", 0), answers, SystemClock(), sunk.take, sunk.note, tls=tls, release=release)
        await sink.open()
        sunk.port = sink.addresses[0].port
        ended = anyio.Event()
        stop.append((asyncio.get_running_loop(), ended))
        ready.set()
        await ended.wait()
        sink.close()

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    assert ready.wait(LIMIT_S)
    try:
        yield sunk
    finally:
        loop, ended = stop[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(LIMIT_S)


@contextmanager
def always_aa() -> Iterator[str]:
    """Run a server that says AA to whatever ends in FS CR, and drops what else is in its buffer; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve_one(connection: socket.socket) -> None:
            buffer = b""
            with connection:
                try:
                    while data := connection.recv(65_536):
                        buffer += data
                        if b"\x1c\r" not in buffer:
                            continue
                        fields = buffer.split(b"|")
                        control_id = fields[9] if len(fields) > 9 else b""
                        head = b"MSH|^~\\&|SEED|HERE|||20260101||ACK|" + control_id + b"|P|2.5\r"
                        connection.sendall(frame(head + b"MSA|AA|" + control_id))
                        buffer = b""
                except OSError:
                    return

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def python_hl7() -> Iterator[str]:
    """Run python-hl7's own server as its documentation has it; give its address."""
    script = Path(__file__).with_name("hl7_server.py")
    child = subprocess.Popen(
        [sys.executable, str(script)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with child:
        try:
            assert child.stdout is not None
            yield f"127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.kill()
