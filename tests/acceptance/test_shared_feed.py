"""One feed on two machines: a message both get is enqueued once, and both give the same answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import adt, framed, site_text, write_site
from tests.support.peer import Peer
from tests.support.process import DaemonProcess
from tests.support.valkey import ValkeyServer

FEED = """
[feed.adt]
listen = "127.0.0.1:0"
shared = true

[[feed.adt.route]]
type = "ADT"
task = "recording.message"
kwargs = { control_id = "MSH-10" }
queue = "messages"
"""


class Pair:
    """Two daemons of one site, each with a spool of its own."""

    def __init__(self, folder: Path, valkey: ValkeyServer) -> None:
        self.valkey = valkey
        self.sites = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            text = site_text(broker_url=valkey.url, feeds=FEED, state_dir=str(folder / name / "state"))
            self.sites.append(write_site(folder / name, text))

    def queued(self) -> list[str]:
        """Give the control ids in the queue, oldest first."""
        found: list[Any] = [json.loads(one) for one in self.valkey.client.lrange("messages", 0, -1)]
        return [json.loads(one["body"])[1]["control_id"] for one in reversed(found)]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ValkeyServer() as valkey:
        yield Pair(tmp_path, valkey)


def ask(daemon: DaemonProcess, *control_ids: str) -> list[bytes]:
    with Peer(daemon.port()) as peer:
        peer.send(framed(*(adt(one) for one in control_ids)))
        return peer.replies(len(control_ids))


def test_a_sender_that_turns_to_the_other_machine_gets_the_same_answer_and_makes_one_task(pair: Pair) -> None:
    with DaemonProcess(pair.sites[0]) as one, DaemonProcess(pair.sites[1]) as two:
        one.ready()
        two.ready()
        first = ask(one, "M1", "M2")
        one.wait_metric(2, "carillon_feed_enqueued_total", feed="adt")
        assert ask(two, "M1", "M2", "M3")[:2] == first
        two.wait_metric(3, "carillon_feed_enqueued_total", feed="adt")  # those of the other are passed over
        assert pair.queued() == ["M1", "M2", "M3"]
        two.wait_metric(2, "carillon_feed_answered_elsewhere_total", feed="adt")
        assert ask(one, "M2") == first[1:]
        assert ask(two, "M1") == first[:1]
        one.kill()
        with DaemonProcess(pair.sites[0]) as again:
            again.ready()
            assert ask(again, "M1", "M2") == first
            assert ask(two, "M1", "M2") == first
        assert pair.queued() == ["M1", "M2", "M3"]


def test_while_the_broker_is_away_each_answers_for_itself_and_one_task_is_made_in_the_end(pair: Pair) -> None:
    with DaemonProcess(pair.sites[0]) as one, DaemonProcess(pair.sites[1]) as two:
        one.ready()
        two.ready()
        pair.valkey.kill()
        for daemon in (one, two):
            daemon.wait_metric(0, "carillon_broker_up")
            found = ask(daemon, "M1", "M2")
            assert [b"MSA|AA|M1" in found[0], b"MSA|AA|M2" in found[1]] == [True, True]
        pair.valkey.restart()
        for daemon in (one, two):
            daemon.wait_metric(2, "carillon_feed_enqueued_total", feed="adt")
        assert sorted(pair.queued()) == ["M1", "M2"]


def test_a_message_that_came_again_before_it_could_be_enqueued_is_still_enqueued_by_its_own_daemon(pair: Pair) -> None:
    with DaemonProcess(pair.sites[0]) as one:
        one.ready()
        pair.valkey.kill()
        one.wait_metric(0, "carillon_broker_up")
        first = ask(one, "M1")
        one.kill()
    pair.valkey.restart()
    with DaemonProcess(pair.sites[0]) as one:
        one.ready()
        assert ask(one, "M1") == first
        one.wait_metric(1, "carillon_feed_enqueued_total", feed="adt")
        assert pair.queued() == ["M1"]
