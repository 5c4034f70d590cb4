"""A real daemon whose feeds are short of patience and room, and what hostile senders do to it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from daemon.sender.acknowledgement import Acknowledgement
from tests.support.builders import adt, framed
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

LIMIT_S = 30.0
SMALL_BYTES = 64 * 1024

FEEDS = """
[feed.adt]
listen = "127.0.0.1:0"
[[feed.adt.route]]
type = ["ADT", "ORU"]
task = "recording.message"

[feed.short]
listen = "127.0.0.1:0"
frame_limit = "64KiB"
frame_timeout = "1s"
write_timeout = "1s"
[[feed.short.route]]
type = "ADT"
task = "recording.message"

[feed.narrow]
listen = "127.0.0.1:0"
connections = 10
[[feed.narrow.route]]
type = "ADT"
task = "recording.message"

[feed.parking]
listen = "127.0.0.1:0"
unrouted = "park"
[[feed.parking.route]]
type = "ADT"
task = "recording.message"
"""


class Hospital:
    """The daemon, its queue, and what a test asks of them."""

    def __init__(self, daemon: DaemonProcess, valkey: ValkeyServer) -> None:
        self.daemon = daemon
        self.valkey = valkey
        self._numbers = iter(range(1_000_000))

    def new_id(self) -> str:
        """Give a control id nobody has used."""
        return f"H{next(self._numbers):06d}"

    def calling(self, feed: str = "adt") -> Peer:
        """Connect to a feed."""
        return Peer(self.daemon.port(feed), timeout_s=LIMIT_S)

    def answers(self, stream: bytes, count: int, feed: str = "adt") -> list[Acknowledgement]:
        """Send bytes on a connection of their own and give so many answers; the connection must still be of use then."""
        with self.calling(feed) as peer:
            peer.send(stream)
            found = peer.acks(count)
            last = self.new_id()
            peer.send(framed(adt(last)))
            assert peer.acks() == [Acknowledgement("AA", last, "")]
        return found

    def codes(self, stream: bytes, count: int, feed: str = "adt") -> list[str]:
        """Send bytes and give the codes of so many answers."""
        return [answer.code for answer in self.answers(stream, count, feed)]

    def ends(self, stream: bytes, reason: str, feed: str = "adt") -> bytes:
        """Send bytes that end their connection for that reason, and give what was answered before."""
        before = self.closed(feed, reason)
        with self.calling(feed) as peer:
            with suppress(OSError):  # closed while it was still talking
                peer.send(stream)
            rest = peer.rest()
        self.daemon.wait_metric(before + 1, "carillon_feed_closed_connections_total", feed=feed, reason=reason)
        return rest

    def closed(self, feed: str, reason: str) -> float:
        """Count the connections that ended for a reason."""
        return self.daemon.metric("carillon_feed_closed_connections_total", feed=feed, reason=reason)

    def quarantined(self, feed: str, reason: str) -> float:
        """Count the blocks that were refused for a reason."""
        return self.daemon.metric("carillon_feed_quarantined_total", feed=feed, reason=reason)

    def serves(self) -> None:
        """Whatever happened before, every feed takes a message on a new connection, and nobody has to look into the log."""
        for feed in ("adt", "short", "narrow", "parking"):
            with self.calling(feed) as peer:
                control_id = self.new_id()
                peer.send(framed(adt(control_id)))
                assert peer.acks() == [Acknowledgement("AA", control_id, "")]
        # That much is refused here rightly rings an alarm of the feed.
        errors = [one for one in self.daemon.records if one["level"] == "error" and one["action"] != "feed.alarm"]
        assert errors == []
        assert len(self.daemon.records) == len(self.daemon.lines)  # each line is a record: nothing was written into one

    def tasks(self, control_ids: Sequence[str] = (), limit_s: float = LIMIT_S) -> dict[str, list[dict[str, Any]]]:
        """Wait until messages are in the queue, and give the documents in it by control id, oldest first."""
        deadline = time.monotonic() + limit_s
        while True:
            found: dict[str, list[dict[str, Any]]] = {}
            for one in reversed(self.valkey.client.lrange("celery", 0, -1)):
                document = json.loads(json.loads(one)["body"])[1]["message"]
                found.setdefault(document["control_id"], []).append(document)
            missing = [one for one in control_ids if one not in found]
            if not missing:
                return found
            assert time.monotonic() < deadline, f"{len(missing)} messages are not in the queue"
            time.sleep(0.02)

    @staticmethod
    def wait_until(is_true: Callable[[], bool]) -> None:
        """Wait for something that no metric or log line says by itself."""
        deadline = time.monotonic() + LIMIT_S
        while not is_true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def task(self, control_id: str) -> dict[str, Any]:
        """Give the one document with a control id."""
        last = self.new_id()  # once a later message is there, a second of this one would be, too
        with self.calling() as peer:
            peer.send(framed(adt(last)))
            peer.acks()
        [document] = self.tasks([control_id, last])[control_id]
        return document

    def check_kept(self, message: bytes, control_id: str) -> dict[str, Any]:
        """A message became one task, and its bytes are what was sent."""
        document = self.task(control_id)
        assert base64.b64decode(document["raw_b64"]) == message
        return document
