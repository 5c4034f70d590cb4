"""Other people's clients against a daemon for long: ``make prove-interop ARGS="--minutes 60"``.

Each sends at its own pace to a feed of its own, in its own manner: on one connection for all the time, on one for each message, or a
file at a time. All must be acknowledged; none may come twice or be refused; each feed's messages must come into its queue in order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection
from hl7apy.parser import parse_message

from tests.support.builders import framed, site_text, write_site
from tests.support.interop import codes_in, generated
from tests.support.node_client import exchange_with_node
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

LIMIT_S = 60.0
FILE = 50
BETWEEN_S = 0.2
SHOWN_S = 60.0

Client = Callable[[int, Iterator[bytes], Path], Iterator[list[Any]]]


def mllp_send(port: int, messages: Iterator[bytes], folder: Path) -> Iterator[list[Any]]:
    """Run python-hl7's command, for a file at a time."""
    file = folder / "framed.hl7"
    while some := list(islice(messages, FILE)):
        file.write_bytes(framed(*some))
        command = (
            *(sys.executable, "-c", "import hl7.client; hl7.client.mllp_send()"),
            *("-p", str(port), "-f", str(file), "127.0.0.1"),
        )
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True)
        yield codes_in(done.stdout.split(b"\x1c\r\n")[:-1])


def one_connection(port: int, messages: Iterator[bytes], folder: Path) -> Iterator[list[Any]]:
    """Send with python-hl7's blocking client, on one connection."""
    del folder
    with MLLPClient("127.0.0.1", port) as client:
        for message in messages:
            yield codes_in([client.send_message(message)])


def a_connection_each(port: int, messages: Iterator[bytes], folder: Path) -> Iterator[list[Any]]:
    """Send with python-hl7's blocking client, connecting anew for each message."""
    del folder
    for message in messages:
        with MLLPClient("127.0.0.1", port) as client:
            yield codes_in([client.send_message(message)])


def asyncio_client(port: int, messages: Iterator[bytes], folder: Path) -> Iterator[list[Any]]:
    """Send with python-hl7's asyncio client, on one connection."""
    del folder
    with asyncio.Runner() as runner:
        reader, writer = runner.run(open_hl7_connection("127.0.0.1", port, encoding="utf-8"))

        async def exchange(message: Any) -> Any:
            writer.writemessage(message)
            await writer.drain()
            return await asyncio.wait_for(reader.readmessage(), LIMIT_S)

        for data in messages:
            message = hl7.parse(data.decode())
            answer = runner.run(exchange(message))
            assert str(answer.segment("MSA")[2]) == str(message.segment("MSH")[10])
            yield [str(answer.segment("MSA")[1])]
        writer.close()
        runner.run(writer.wait_closed())


def by_hl7apy(port: int, messages: Iterator[bytes], folder: Path) -> Iterator[list[Any]]:
    """Do as hl7apy's sample client: connect, send one message, read until the end of a block, close."""
    del folder
    for data in messages:
        message = parse_message(data.decode(), find_groups=False)
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
            connection.sendall(message.to_mllp().encode())
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                piece = connection.recv(1024)
                assert piece
                answer += piece
        yield codes_in([answer[1:-2]])


def node(port: int, messages: Iterator[bytes], folder: Path) -> Iterator[list[Any]]:
    """Send with node-hl7-client, a connection for so many messages."""
    while some := list(islice(messages, FILE)):
        yield list(exchange_with_node(folder, port, [message.decode() for message in some]).codes)


CLIENTS: dict[str, Client] = {
    "mllp-send": mllp_send,
    "python-hl7": one_connection,
    "python-hl7-anew": a_connection_each,
    "python-hl7-asyncio": asyncio_client,
    "hl7apy": by_hl7apy,
    "node-hl7-client": node,
}
FEED = """
[feed.{0}]
listen = "127.0.0.1:0"
[[feed.{0}.route]]
task = "recording.message"
queue = "{0}"
"""
OUGHT_TO_BE_NONE = ("feed_duplicates", "feed_quarantined", "feed_refused_connections", "feed_parked")


class Soak:
    """The clients, and what comes of what they send."""

    def __init__(self, daemon: DaemonProcess, server: ValkeyServer, folder: Path, rate: float, until_s: float) -> None:
        self.sent = dict.fromkeys(CLIENTS, 0)
        self.arrived = dict.fromkeys(CLIENTS, 0)
        self.wrong: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._daemon, self._server, self._folder = daemon, server, folder
        self._rate, self._until_s = rate, until_s

    def _messages(self) -> Iterator[bytes]:
        """Give message after message, at a pace, until the time is over."""
        started_s = time.monotonic()
        for number in count():
            time.sleep(max(started_s + number / self._rate - time.monotonic(), 0.0))
            if time.monotonic() > self._until_s:
                return
            yield generated(number)

    def send(self, name: str) -> None:
        """Have a client send until the time is over."""
        folder = self._folder / name
        folder.mkdir()
        try:
            for codes in CLIENTS[name](self._daemon.port(name), self._messages(), folder):
                self.sent[name] += len(codes)
                if set(codes) != {"AA"}:
                    self.wrong[name] = f"answered {sorted(set(codes))}"
                    return
        except pytest.skip.Exception as reason:
            self.skipped[name] = str(reason)

    def take(self, name: str) -> None:
        """Take what is in a client's queue; each message must be the one behind the last."""
        client = self._server.client
        while tasks := client.rpop(name, 500):
            for task in tasks:
                document = json.loads(json.loads(task)["body"])[1]["message"]
                if document["control_id"] != f"G{self.arrived[name]:05d}":
                    self.wrong.setdefault(name, f"{document['control_id']} came as number {self.arrived[name]}")
                self.arrived[name] += 1

    def check(self, name: str) -> None:
        """Nothing is missing, and nothing was sent again or refused."""
        self._daemon.wait_metric(self.sent[name], "carillon_feed_enqueued_total", feed=name)
        self.take(name)
        if self.arrived[name] != self.sent[name]:
            self.wrong.setdefault(name, f"{self.arrived[name]} arrived")
        for line in self._daemon.get("/metrics")[1].splitlines():
            counted = line.split("{")[0].removeprefix("carillon_").removesuffix("_total")
            if counted in OUGHT_TO_BE_NONE and f'feed="{name}"' in line and not line.endswith(" 0.0"):
                self.wrong.setdefault(name, line)


def prove(folder: Path, minutes: float, rate: float, names: list[str]) -> int:
    """Let clients send for so long; give how many had trouble."""
    with ValkeyServer() as server:
        site = write_site(folder, site_text(broker_url=server.url, feeds="".join(map(FEED.format, names))))
        with DaemonProcess(site) as daemon, ThreadPoolExecutor(len(names)) as threads:
            daemon.ready()
            soak = Soak(daemon, server, folder, rate, time.monotonic() + minutes * 60)
            running = {name: threads.submit(soak.send, name) for name in names}
            shown_s = time.monotonic()
            while not all(one.done() for one in running.values()):
                for name in names:
                    soak.take(name)
                if time.monotonic() > shown_s + SHOWN_S:
                    shown_s = time.monotonic()
                    print(f"  {sum(soak.sent.values()):,} sent", flush=True)
                time.sleep(BETWEEN_S)
            for name in names:
                if error := running[name].exception():
                    soak.wrong[name] = repr(error)
                soak.check(name)
            errors = [one for one in daemon.records if one["level"] == "error"]
            assert daemon.terminate() == 0
    for name in names:
        said = soak.wrong.get(name) or soak.skipped.get(name) or "none refused, none twice, all in order"
        print(f"{name:20} {soak.sent[name]:9,} sent  {soak.arrived[name]:9,} queued  {said}")
    print(
        f"{sum(soak.sent.values()):,} messages in {minutes:g} minutes: {len(soak.wrong)} clients with trouble, {len(errors)} errors"
    )
    return len(soak.wrong) + len(errors)


def main() -> int:
    """Do it, and say whether all was as it has to be."""
    reader = argparse.ArgumentParser(prog="python -m benchmarks.prove_interop", description=__doc__)
    reader.add_argument("--minutes", type=float, default=60.0)
    reader.add_argument("--rate", type=float, default=20.0, help="messages a second of each client")
    reader.add_argument("--client", choices=tuple(CLIENTS), action="append", help="only this one; may be repeated")
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="carillon-interop-") as name:
        return int(prove(Path(name), asked.minutes, asked.rate, asked.client or list(CLIENTS)) > 0)


if __name__ == "__main__":
    sys.exit(main())
