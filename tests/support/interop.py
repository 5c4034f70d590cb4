"""Other people's MLLP clients: what they are given to send, and what must have come of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.hl7listener.judging.finding import Disposition, Verdict, judge
from daemon.hl7listener.text.header import BOM
from tests.support.builders import adt, site_text, write_site
from tests.support.corpus import FOLDER
from tests.support.feeds import feed, route
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

MESSAGES = 300

FEED = """
[feed.adt]
listen = "127.0.0.1:0"
connections = 1000

[[feed.adt.route]]
task = "recording.message"
"""

_ANY = feed(route(types=None))
_EVENTS = ("A01", "A02", "A03", "A04", "A08", "A11", "A28", "A31")
_NAMES = ("Große", "Łęcka", "Ōta", "Δήμου", "Müller")


def generated(number: int) -> bytes:
    """Write a message no other number has; some hold letters that are not ASCII, repetitions and long fields."""
    message = adt(f"G{number:05d}", event=_EVENTS[number % len(_EVENTS)], patient=f"P{number}")
    if number % 3 == 1:
        header = b"P|2.5|||||||UNICODE UTF-8\rEVN|"
        message = message.replace(b"P|2.5||||\rEVN|", header)
        message += f"NK1|1|{_NAMES[number % len(_NAMES)]}^A~B^C\r".encode()
    if number % 7 == 2:
        message += b"".join(b"OBX|%d|TX|N||%s\r" % (place, b"word " * 40) for place in range(1, 12))
    return message


def mixture(count: int = MESSAGES) -> list[bytes]:
    """Give so many messages that differ and are due an AA: real ones, where there are any, among generated ones."""
    real = iter(_real())
    found = []
    for number in range(count):
        sample = next(real, None) if number % 2 else None
        found.append(sample or generated(number))
    return found


def _real() -> list[bytes]:
    files = sorted((FOLDER / "messages").glob("*.hl7")) if FOLDER.is_dir() else []
    seen: dict[bytes, None] = {}
    for file in files:
        data = file.read_bytes()
        if is_plain(data):
            seen[data] = None
    return list(seen)


def is_plain(data: bytes) -> bool:
    """Say whether a message is due an AA, and only that, and is no longer than every client's one read or write."""
    finding = judge(data, _ANY)
    header = finding.header
    return (
        len(data) < 16_000
        and not data.startswith(BOM)  # clients that read text lose it, or count it
        and finding.disposition is Disposition.ROUTED
        and finding.verdict is Verdict.ACCEPT
        and header is not None
        and not header.raw(15)
        and not header.raw(16)
    )


def as_text(data: bytes) -> str | None:
    """Give a message as a client holds it that knows text and segments ended by CR; ``None`` if it would send others."""
    if b"\n" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


@contextmanager
def receiving(folder: Path, valkey: ValkeyServer) -> Iterator[DaemonProcess]:
    """Run a daemon with one feed, whatever a client sends to it."""
    with DaemonProcess(write_site(folder, site_text(broker_url=valkey.url, feeds=FEED))) as daemon:
        yield daemon.ready()


def queued(valkey: ValkeyServer) -> list[bytes]:
    """Read the queue back: the exact bytes of each message, in the order a worker would get them."""
    found = []
    for one in reversed(valkey.client.lrange("celery", 0, -1)):
        _, kwargs, _ = json.loads(json.loads(one)["body"])
        found.append(base64.b64decode(kwargs["message"]["raw_b64"]))
    return found


def codes_in(replies: Sequence[Any]) -> list[str]:
    """Read MSA-1 of replies as their clients gave them, as text or bytes."""
    codes = []
    for reply in replies:
        text = reply.decode() if isinstance(reply, bytes) else str(reply)
        [msa] = [line for line in text.replace("\x0b", "").split("\r") if line.startswith("MSA")]
        codes.append(msa[4:6])
    return codes


def check_all_taken(
    daemon: DaemonProcess, valkey: ValkeyServer, sent: Sequence[bytes], *, in_order: bool = True
) -> None:
    """Each message is in the queue, once and in order; none came twice, none strayed, nobody has to look into the log."""
    daemon.wait_metric(len(sent), "carillon_feed_enqueued_total", feed="adt")
    arrived = queued(valkey)
    assert (arrived if in_order else sorted(arrived)) == (list(sent) if in_order else sorted(sent))
    check_quiet(daemon)


def check_quiet(daemon: DaemonProcess) -> None:
    """Nothing was sent again, refused, or closed for a reason of ours; no line says that someone must act."""
    metrics = daemon.get("/metrics")[1].splitlines()
    for name in (
        "feed_duplicates_total",
        "feed_quarantined_total",
        "feed_refused_connections_total",
        "feed_parked_total",
    ):
        assert [line for line in metrics if line.startswith(f"carillon_{name}") and not line.endswith(" 0.0")] == []
    assert [record for record in daemon.records if record["level"] == "error"] == []
