"""A sender that never waits for an answer, on a real daemon and a real socket."""

from __future__ import annotations

import threading
from pathlib import Path

from daemon.hl7listener.wire.framer import END
from tests.support.builders import framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess

COUNT = 100_000
PARKING = """
[feed.adt]
listen = "127.0.0.1:0"
unrouted = "park"
"""


def message(number: int) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|20261122||ADT^A01|P{number}|P|2.5\rEVN|A01\r".encode()


def test_a_hundred_thousand_pipelined_messages_are_answered_each_in_order(tmp_path: Path) -> None:
    stream = framed(*(message(number) for number in range(COUNT)))
    with DaemonProcess(write_site(tmp_path, site_text(feeds=PARKING))) as daemon, Peer(daemon.ready().port()) as peer:
        sending = threading.Thread(target=peer.send, args=(stream,))
        sending.start()
        rest, number = b"", 0
        while number < COUNT:
            data = peer.socket.recv(1 << 20)
            assert data, f"closed after {number} answers"
            *replies, rest = (rest + data).split(END)
            for reply in replies:
                assert reply.endswith(b"\rMSA|AA|P%d\r" % number)
                number += 1
        sending.join()
        assert daemon.metric("carillon_feed_acks_total", code="AA", feed="adt") == COUNT
        assert daemon.terminate() == 0
